// Separable bilinear resampling of a part of an image, widened by the scale where it shrinks, as Pillow and
// torch do it with antialiasing.
#pragma once

#include "cpu/augment_draws.h"
#include "cpu/augment_pixels.h"

namespace fastnn::FASTNN_ISA {

// For each output: the first source row (or column), how many, and their weights.
template <class T>
struct Taps {
  int64_t most = 0;  // weights an output has room for
  int32_t *first = nullptr, *count = nullptr;
  T* weights = nullptr;

  void fill(int64_t size, int64_t out, bool flip) {
    for (int64_t i = 0; i < out; ++i) {
      const TapRange range(size, out, i);
      const int64_t begin = range.begin, end = range.end, at = flip ? out - 1 - i : i;
      T* w = weights + at * most;
      const double sum = range.sum();
      for (int64_t k = begin; k < end; ++k) w[k - begin] = static_cast<T>(range.weight(k) / sum);
      first[at] = static_cast<int32_t>(begin), count[at] = static_cast<int32_t>(end - begin);
    }
  }
};

// One output row: `count` rows of bytes, `row_step` apart, weighted and summed over `n` bytes each.
template <class T>
void mix_rows(const uint8_t* rows, int64_t row_step, int64_t count, const T* weights, T factor, int64_t n, T* out) {
  constexpr int64_t kW = kLanes<T>;
  for (int64_t i = 0; i < n; i += kW) {
    const int64_t lanes = n - i < kW ? n - i : kW;
    Vec<T> sum{};
    for (int64_t k = 0; k < count; ++k)
      sum = fma(bytes_as_values<T>(rows + k * row_step + i, lanes), splat(weights[k]), sum);
    store_up_to(out + i, sum * factor, lanes);
  }
}

template <int kC, class T>
FASTNN_INLINE void mix_columns_of(const T* row, const Taps<T>& taps, int64_t out, int64_t c_, T* y) {
  const int64_t c = kC > 0 ? kC : c_;
  for (int64_t j = 0; j < out; ++j) {
    const T *w = taps.weights + j * taps.most, *from = row + taps.first[j] * c;
    const int64_t count = taps.count[j];
    if constexpr (kC > 0) {
      T sum[kC] = {};
      for (int64_t k = 0; k < count; ++k)
        for (int q = 0; q < kC; ++q) sum[q] += w[k] * from[k * kC + q];
      for (int q = 0; q < kC; ++q) y[j * kC + q] = sum[q];
    } else {
      for (int64_t q = 0; q < c; ++q) {
        T sum = 0;
        for (int64_t k = 0; k < count; ++k) sum += w[k] * from[k * c + q];
        y[j * c + q] = sum;
      }
    }
  }
}

// y (oh, ow, c) = the part of an image whose rows lie row_step bytes apart, times factor. `line` holds a row.
template <class T>
void resize_part(const AugmentArgs<T>& a, const Plan& plan, const uint8_t* image, int64_t row_step, Taps<T> rows,
                 Taps<T> columns, T factor, T* line, T* y) {
  const Rectangle part = plan.part;
  rows.fill(part.height, a.oh, plan.flip_v);
  columns.fill(part.width, a.ow, plan.flip_h);
  const uint8_t* corner = image + part.top * row_step + part.left * a.c;
  for (int64_t i = 0; i < a.oh; ++i, y += a.ow * a.c) {
    mix_rows(corner + rows.first[i] * row_step, row_step, rows.count[i], rows.weights + i * rows.most, factor,
             part.width * a.c, line);
    if (a.c == 3)
      mix_columns_of<3>(line, columns, a.ow, 3, y);
    else
      mix_columns_of<0>(line, columns, a.ow, a.c, y);
  }
}

}  // namespace fastnn::FASTNN_ISA
