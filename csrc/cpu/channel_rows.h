// Walking a (rows, channels) array by vectors whatever the number of channels: rows are taken together
// until they fill whole vectors ("strips"), and a per-channel parameter is repeated to that length.
#pragma once

#include "core/parallel.h"
#include "cpu/elementwise.h"

namespace fastnn::FASTNN_ISA {

template <class T>
struct ChannelRows {
  int64_t rows, channels;
  int64_t repeats;  // rows in a strip
  int64_t length;   // elements in a strip
  int64_t strips;   // whole ones
  int64_t rest;     // elements behind the last whole strip
  int64_t per_block, blocks;
  int64_t per_tile;  // strips of a block that are walked together, column by column: 4 KB, at least 4 strips

  ChannelRows(int64_t rows_, int64_t channels_) : rows(rows_), channels(channels_) {
    constexpr int64_t kW = kLanes<T>;
    repeats = 1;
    if (channels < 4 * kW) {
      while (channels * repeats % kW != 0) repeats *= 2;
      while (channels * repeats < 4 * kW) repeats *= 2;
    }
    length = channels * repeats;
    strips = rows / repeats;
    rest = (rows - strips * repeats) * channels;
    // 64 KB a block, but at least 128 strips, so that what is done once a block does not show, and at
    // most 128 blocks.
    per_block = 65536 / (length * static_cast<int64_t>(sizeof(T)));
    if (per_block < 128) per_block = 128;
    if (per_block < (strips + 127) / 128) per_block = (strips + 127) / 128;
    // Equal blocks, an even number of them if there are several: one more than two threads can share, or a short
    // last one, costs a third where blocks are few.
    blocks = strips > per_block ? (strips + per_block - 1) / per_block : 1;
    if (blocks > 1) blocks += blocks % 2;
    per_block = (strips + blocks - 1) / blocks;
    if (per_block > 0) blocks = (strips + per_block - 1) / per_block;
    per_tile = 4096 / (length * static_cast<int64_t>(sizeof(T)));
    if (per_tile < 4) per_tile = 4;
  }

  int64_t block_rows(int64_t block) const {
    const int64_t begin = block * per_block, end = begin + per_block < strips ? begin + per_block : strips;
    return (end - begin) * repeats + (block == blocks - 1 ? rest / channels : 0);
  }

  // f.operator()<R, whole>(offset, lane, n): a vector of R strips, `length` apart, at element `offset` of
  // the array and `lane` of the strip; n valid lanes unless whole. R is 1 or kAtOnce.
  template <int kAtOnce, class F>
  FASTNN_MEMBER void sweep_block(int64_t block, const F& f) const {
    int64_t s = block * per_block;
    const int64_t end = s + per_block < strips ? s + per_block : strips;
    if constexpr (kAtOnce > 1)
      for (; s + kAtOnce <= end; s += kAtOnce) sweep<kAtOnce>(s * length, length, f);
    for (; s < end; ++s) sweep<1>(s * length, length, f);
    if (block == blocks - 1 && rest > 0) sweep<1>(strips * length, rest, f);
  }

  template <int R, class F>
  FASTNN_MEMBER void sweep(int64_t offset, int64_t count, const F& f) const {
    constexpr int64_t kW = kLanes<T>;
    int64_t lane = 0;
    for (; lane + kW <= count; lane += kW) f.template operator()<R, true>(offset + lane, lane, kW);
    if (lane < count)
      for (int r = 0; r < R; ++r) f.template operator()<1, false>(offset + r * length + lane, lane, count - lane);
  }

  // dst (length,) = a per-channel value, repeated.
  void repeat(const T* values, T fallback, T* dst) const {
    for (int64_t c = 0; c < channels; ++c) dst[c] = values ? values[c] : fallback;
    for (int64_t i = channels; i < length; ++i) dst[i] = dst[i - channels];
  }
  // Elements of a parameter row, rounded so that the next one starts on a cache line.
  int64_t row_size() const { return (length + 15) / 16 * 16; }
};

template <bool kWhole, class T>
FASTNN_INLINE Vec<T> load_some(const T* p, int64_t n) {
  if constexpr (kWhole)
    return load(p);
  else
    return load_n(p, n);
}
template <bool kWhole, class T>
FASTNN_INLINE void put_some(T* p, Vec<T> v, int64_t n, bool streaming = false) {
  if (!kWhole)
    store_n(p, v, n);
  else if (streaming)
    stream(p, v);
  else
    store(p, v);
}

}  // namespace fastnn::FASTNN_ISA
