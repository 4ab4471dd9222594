// Sums over the rows of a (rows, channels) array for every channel, and the mean and variance made of them.
#pragma once

#include "cpu/channel_rows.h"
#include "formulas/normalise.h"

namespace fastnn::FASTNN_ISA {

template <class T>
using Rows = ChannelRows<T>;

// The lanes of both sums folded to channels. Apart from sum_block because it does not depend on the terms: a
// copy of it for each of them took a third of the compile time.
template <class T>
__attribute__((noinline)) void fold_lanes(const Rows<T>& rows, const T* first, const T* second, double* out) {
  const int64_t channels = rows.channels;
  for (int64_t c = 0; c < channels; ++c) out[c] = out[channels + c] = 0;
  for (int64_t i = 0; i < rows.length; i += channels)
    for (int64_t c = 0; c < channels; ++c) {
      out[c] += static_cast<double>(first[i + c]);
      out[channels + c] += static_cast<double>(second[i + c]);
    }
}

// Two sums over the rows of a block for every channel, of whatever pair `terms` gives for a vector, summed in
// T, lane by lane; the lanes are folded to channels in double.
// lanes: 3 parameter rows, the last one for the caller; out: 2 doubles a channel.
template <class T, class Setup, class Terms>
FASTNN_INLINE void sum_block(const Rows<T>& rows, int64_t block, T* lanes, double* out, const Setup& setup,
                             const Terms& terms) {
  const int64_t row = rows.row_size();
  T* first = lanes;
  T* second = first + row;
  T* own = second + row;
  setup(block, own);
  // Columns of strips, their sums in registers: kept in memory, 512-bit stores would be forwarded to
  // loads of x at the same place of another page (measured: half the speed at 128 channels and more). A tile
  // of strips at a time, while the next one is asked for in the order of memory.
  const int64_t begin = block * rows.per_block;
  const int64_t end = begin + rows.per_block < rows.strips ? begin + rows.per_block : rows.strips;
  const int64_t rest = block == rows.blocks - 1 ? rows.rest : 0;
  for (int64_t i = 0; i < 2 * row; ++i) first[i] = 0;
  constexpr int64_t kW = kLanes<T>;
  for (int64_t tile = begin; tile < end || tile == begin; tile += rows.per_tile) {
    const int64_t stop = tile + rows.per_tile < end ? tile + rows.per_tile : end;
    int64_t ahead = stop * rows.length;
    auto column = [&]<int kVectors, bool kWhole>(int64_t lane, int64_t n) {
      Vec<T> a[kVectors], b[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        a[v] = load_some<kWhole>(first + lane + v * kW, n);
        b[v] = load_some<kWhole>(second + lane + v * kW, n);
      }
      for (int64_t s = tile; s < stop; ++s, ahead += kVectors * kW)
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v)
          terms.template operator()<kWhole>(s * rows.length + lane + v * kW, lane + v * kW, n, own, ahead + v * kW,
                                            a[v], b[v]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const int64_t at = lane + v * kW, left = rest - at < kW ? rest - at : kW;
        if (stop == end && left > 0)
          terms.template operator()<false>(rows.strips * rows.length + at, at, left, own, ahead, a[v], b[v]);
        put_some<kWhole>(first + at, a[v], n);
        put_some<kWhole>(second + at, b[v], n);
      }
    };
    int64_t lane = 0;
    for (; lane + 4 * kW <= rows.length; lane += 4 * kW) column.template operator()<4, true>(lane, kW);
    for (; lane + kW <= rows.length; lane += kW) column.template operator()<1, true>(lane, kW);
    if (lane < rows.length) column.template operator()<1, false>(lane, rows.length - lane);
  }
  fold_lanes(rows, first, second, out);
  stream_fence();  // of what terms may have streamed
}

// All blocks. Workspace: 2 doubles a channel and block in sums, 3 parameter rows a worker in lanes.
template <class T, class Setup, class Terms>
void sum_pairs(const Rows<T>& rows, int width, int64_t bytes, double* sums, T* lanes, const Setup& setup,
               const Terms& terms) {
  parallel_blocks(rows.blocks, width, bytes, [&](int64_t block, int worker) {
    sum_block(rows, block, lanes + worker * 3 * rows.row_size(), sums + block * 2 * rows.channels, setup, terms);
  });
}

template <class T>
int64_t sums_bytes(const Rows<T>& rows, int width) {
  return rows.blocks * 2 * rows.channels * static_cast<int64_t>(sizeof(double)) +
         width * 3 * rows.row_size() * static_cast<int64_t>(sizeof(T));
}

// dst (length,) = the mean of a block's first four rows, near enough to that of all for sums of squares to keep their
// digits (the first row alone, 4 deviations off in one channel of some thousand, cost a factor of 17); quarters add up
// to the value itself where a channel is constant.
template <class T>
void near_mean(const Rows<T>& rows, int64_t block, const T* x, T* dst) {
  const int64_t channels = rows.channels;
  const T* row = x + block * rows.per_block * rows.length;
  if (rows.block_rows(block) < 4) return rows.repeat(row, 0, dst);
  const T quarter = static_cast<T>(0.25);
  for (int64_t c = 0; c < channels; ++c)
    dst[c] = (row[c] * quarter + row[c + channels] * quarter) +
             (row[c + 2 * channels] * quarter + row[c + 3 * channels] * quarter);
  for (int64_t i = channels; i < rows.length; ++i) dst[i] = dst[i - channels];
}

// Mean and sum of squared deviations of a block in one pass, as 2 doubles a channel: its values are shifted by about
// their mean, so that a large one costs no digits.
template <class T>
void moments_block(const Rows<T>& rows, int64_t block, const T* x, T* lanes, double* sums) {
  double *mean = sums + block * 2 * rows.channels, *m2 = mean + rows.channels;
  sum_block(
      rows, block, lanes, mean, [&](int64_t b, T* shift) { near_mean(rows, b, x, shift); },
      [&]<bool kWhole>(int64_t offset, int64_t lane, int64_t n, const T* shift, int64_t ahead, Vec<T>& sum,
                       Vec<T>& squares) {
        prefetch_l2(x + ahead);
        const Vec<T> d = load_some<kWhole>(x + offset, n) - load_some<kWhole>(shift + lane, n);
        sum += d;
        squares = fma(d, d, squares);
      });
  const T* shift = lanes + 2 * rows.row_size();
  const double inverse = 1 / static_cast<double>(rows.block_rows(block));
  for (int64_t c = 0; c < rows.channels; ++c) {
    const double offset = mean[c] * inverse;
    m2[c] = squared_deviations(mean[c], offset, m2[c]);
    mean[c] = static_cast<double>(shift[c]) + offset;
  }
}

// Mean and m2, the sum of squared deviations, of every channel: the blocks' merged by Chan's formula (Chan, Golub,
// LeVeque 1979).
template <class T>
__attribute__((noinline)) void merge_moments(const Rows<T>& rows, const double* sums, double* mean, double* m2) {
  const int64_t channels = rows.channels;
  double count = 0;
  for (int64_t c = 0; c < channels; ++c) mean[c] = m2[c] = 0;
  for (int64_t block = 0; block < rows.blocks; ++block) {
    const double n = static_cast<double>(rows.block_rows(block));
    const double *block_mean = sums + block * 2 * channels, *block_m2 = block_mean + channels;
    const double share = n / (count + n), weight = count * share;
    for (int64_t c = 0; c < channels; ++c) {
      const double delta = block_mean[c] - mean[c];
      mean[c] += delta * share;
      m2[c] += block_m2[c] + delta * delta * weight;
    }
    count += n;
  }
}

// A strip that is not whole vectors makes the later ones unaligned, which streaming stores cannot take.
template <class T>
bool streams(const Rows<T>& rows, const T* out, int64_t copies = 1, int64_t least_bytes = kStreamBytes) {
  return can_stream(out, rows.rows * rows.channels * copies, least_bytes) && rows.length % kLanes<T> == 0;
}

}  // namespace fastnn::FASTNN_ISA
