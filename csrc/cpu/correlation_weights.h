// The weights of a correlation in the order in which its tiles read them: panels of out channels, rows in the order of
// Correlation::weight_row.
#pragma once

#include "core/vec_shuffle.h"
#include "cpu/correlation.h"

namespace fastnn::FASTNN_ISA {

// Calls f(row of the packed weights, offset in w of out channel 0, in channels of it) for every row of channel block
// cb.
template <class T, class F>
FASTNN_INLINE void for_weight_rows(const Correlation<T>& c, const WeightStrides& s, int64_t cb, const F& f) {
  const int64_t channels = c.block_channels(cb), per = c.pairing == Pairing::channels ? 2 : 1;
  for (int64_t t = 0; t < c.rows.count; ++t) {
    const int64_t kh = c.rows.kernel_first + t * c.rows.kernel_step;
    for (int64_t g = 0; g < c.groups; ++g) {
      int64_t row = c.weight_row(cb, t, g);
      for (int64_t u = g; u < c.cols.count; u += c.groups) {
        const int64_t kw = c.cols.kernel_first + c.ascending(u) * c.cols.kernel_step;
        for (int64_t i = 0; i < channels; ++i) {
          const int64_t channel = (cb * kBlock + i) * per;
          f(row++, channel * s.in + kh * s.kh + kw * s.kw, channel + per <= c.in_channels ? per : 1);
        }
      }
    }
  }
}

// Calls f(row, j, offset in w of out channel j, in channels) for every row of channel block cb and j below `columns`,
// in an order that follows the weights through memory: the packed block stays in the L1 cache.
template <class T, class F>
FASTNN_INLINE void each_weight(const Correlation<T>& c, const WeightStrides& s, int64_t cb, int64_t columns,
                               const F& f) {
  if (s.out > s.in) {
    for (int64_t j = 0; j < columns; ++j)
      for_weight_rows(c, s, cb, [&](int64_t row, int64_t offset, int64_t n) { f(row, j, offset + j * s.out, n); });
  } else {
    for_weight_rows(c, s, cb, [&](int64_t row, int64_t offset, int64_t n) {
      for (int64_t j = 0; j < columns; ++j) f(row, j, offset + j * s.out, n);
    });
  }
}

// Packs a panel of a forward pass's weights by turning squares in registers: of an out channel's piece of memory for a
// block, channel by channel (in, kh, kw), or for a tap (kh, kw, in). Value by value it took a third of a deep layer's
// time where the weights come from memory.
template <class T>
struct TurnedWeights {
  static constexpr int64_t kL = kLanes<T>, kMostTaps = 64;
  const Correlation<T>& c;
  const WeightStrides& s;

  bool fit() const {
    const Taps &h = c.rows, &w = c.cols;
    const bool all = h.kernel_first == 0 && h.kernel_step == 1 && w.kernel_first == 0 && w.kernel_step == 1;
    const bool touch = s.in == 1 || (s.kw == 1 && s.kh == w.count && s.in == taps());
    return all && touch && s.out > s.in && taps() <= kMostTaps && c.pairing == Pairing::none;
  }
  int64_t taps() const { return c.rows.count * c.cols.count; }
  int64_t parts() const { return s.in == 1 ? taps() : c.blocks; }

  void pack(int64_t part, const T* src, int64_t valid, int64_t columns, T* dst) const {
    int64_t rows[kMostTaps] = {}, offsets[kMostTaps] = {};  // of a tap: of a block's first channel; in src
    for (int64_t t = 0; t < taps(); ++t) offsets[t] = t / c.cols.count * s.kh + t % c.cols.count * s.kw;
    if (s.in == 1) {
      for (int64_t cb = 0; cb < c.blocks; ++cb) {
        first_rows(cb, rows);
        const int64_t channels = c.block_channels(cb);
        const T* from = src + offsets[part] + cb * kBlock;
        T* to = dst + rows[part] * columns;
        for (int64_t i = 0; i < channels; i += kL)
          turn(from + i, channels - i, kBlock, valid, columns, [&](int64_t k) { return to + (i + k) * columns; });
      }
    } else {
      first_rows(part, rows);
      const int64_t size = c.block_channels(part) * taps();
      for (int64_t i = 0; i < size; i += kL)
        turn(src + part * kBlock * s.in + i, size - i, size, valid, columns,
             [&](int64_t k) { return dst + (rows[(i + k) % taps()] + (i + k) / taps()) * columns; });
    }
  }

 private:
  void first_rows(int64_t cb, int64_t* rows) const {
    for (int64_t t = 0; t < c.rows.count; ++t)
      for (int64_t g = 0; g < c.groups; ++g)
        for (int64_t m = 0; m < c.group_size(g); ++m)
          rows[t * c.cols.count + g + m * c.groups] = c.weight_row(cb, t, g) + m * c.block_channels(cb);
  }

  // Value k of each out channel's at most n at `from` goes to its column of row(k); those `ahead` are asked for.
  template <class F>
  FASTNN_MEMBER void turn(const T* from, int64_t n, int64_t ahead, int64_t valid, int64_t columns, const F& row) const {
    if (n > kL) n = kL;
    for (int64_t j = 0; j < columns; j += kL) {
      Vec<T> v[kL];
#pragma GCC unroll 16
      for (int64_t k = 0; k < kL; ++k) {
        v[k] = Vec<T>{};
        if (j + k >= valid) continue;
        const T* p = from + (j + k) * s.out;
        prefetch_l2(p + ahead);
        v[k] = n == kL ? load(p) : load_n(p, n);
      }
      transpose<T>(v);
#pragma GCC unroll 16
      for (int64_t k = 0; k < kL; ++k)
        if (k < n) store(row(k) + j, v[k]);
    }
  }
};

template <class T>
static void pack_weights(const Correlation<T>& c, const WeightStrides& s, const T* w, int64_t co, T* packed,
                         int width) {
  const Panels<T> panels{co};
  const TurnedWeights<T> turned{c, s};
  const bool turns = turned.fit();
  const int64_t parts = turns ? turned.parts() : c.blocks;
  parallel_blocks(
      panels.count() * parts, width, 4 * c.depth * co * static_cast<int64_t>(sizeof(T)), [&](int64_t i, int) {
        const int64_t panel = i / parts, part = i % parts;
        const int64_t valid = panels.valid(panel), columns = panels.width(panel);
        T* dst = packed + panels.offset(panel, c.depth);
        const T* src = w + panel * Panels<T>::kWide * s.out;
        if (turns) return turned.pack(part, src, valid, columns, dst);
        if constexpr (kHasPairs<T>)
          if (c.pairing == Pairing::channels)
            return each_weight(c, s, part, columns, [&](int64_t row, int64_t j, int64_t offset, int64_t n) {
              dst[row * columns + j] = j < valid ? pair_of(src[offset], n > 1 ? src[offset + s.in] : T{0}) : T{0};
            });
        each_weight(c, s, part, columns, [&](int64_t row, int64_t j, int64_t offset, int64_t) {
          dst[row * columns + j] = j < valid ? src[offset] : 0;
        });
      });
}

}  // namespace fastnn::FASTNN_ISA
