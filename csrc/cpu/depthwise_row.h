// One row of a depthwise correlation for one vector of channels. The pixels of a block are accumulators, the
// columns they read are loaded once for all taps of a row: 10 loads and 3 weights for 24 FMAs at 3x3.
#pragma once

#include "cpu/activation_math.h"
#include "cpu/pixels.h"

namespace fastnn::FASTNN_ISA {

template <class T>
struct DepthwiseRow {
  const T* in;       // these channels of column 0 of the first row of taps
  const T* in_end;   // where the array ends
  int64_t in_row;    // elements between two rows of taps
  int64_t in_pixel;  // and between two columns
  int64_t iw;        // columns; beyond them is padding
  int64_t rows, taps;
  int64_t first, step, stride;  // tap j of output q reads column q * stride + first + j * step
  const T* w;                   // of tap 0, a vector a tap
  int64_t w_row, w_col;         // elements to the next one's
  const T* bias;                // a vector
  bool relu, streaming;
  T* out;
  int64_t out_pixel, ow;
  int64_t lanes;
  const T* ahead;       // what will be read next, or null
  int64_t ahead_lines;  // cache lines of it for each pixel
};

// Accumulators of a block, and as many columns besides.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int kRowPixels = 8;
#else
inline constexpr int kRowPixels = 4;
#endif

template <class T, bool kWhole>
FASTNN_INLINE Vec<T> row_load(const T* p, int64_t lanes, const T* end) {
  return kWhole ? load(p) : load_lanes(p, lanes, end);
}

// Outputs [q, q + m) of at most P. KW = 0: any number of taps and any step, each column loaded for each tap.
template <class T, int KW, int S, int P, bool kWhole, bool kInside>
FASTNN_INLINE void row_block(const DepthwiseRow<T>& r, int64_t q, int64_t m) {
  const int64_t stride = KW > 0 ? S : r.stride, col = q * stride + r.first;
  auto column = [&](const T* row, int64_t c) {
    if (!kInside && (c < 0 || c >= r.iw)) return Vec<T>{};
    return row_load<T, kWhole>(row + c * r.in_pixel, r.lanes, r.in_end);
  };
  Vec<T> sum[P];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) sum[p] = load(r.bias);
  for (int64_t i = 0; i < r.rows; ++i) {
    const T* row = r.in + i * r.in_row;
    const T* w = r.w + i * r.w_row;
    if constexpr (KW > 0) {
      constexpr int kSpan = (P - 1) * S + KW;
      Vec<T> x[kSpan];
#pragma GCC unroll 24
      for (int t = 0; t < kSpan; ++t) x[t] = column(row, col + t);
#pragma GCC unroll 8
      for (int j = 0; j < KW; ++j) {
        const Vec<T> weight = load(w + j * r.w_col);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) sum[p] = fma(x[p * S + j], weight, sum[p]);
      }
    } else {
      for (int64_t j = 0; j < r.taps; ++j) {
        const Vec<T> weight = load(w + j * r.w_col);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) sum[p] = fma(column(row, col + p * stride + j * r.step), weight, sum[p]);
      }
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) {
    if (p >= m) break;
    T* out = r.out + (q + p) * r.out_pixel;
    if (r.relu) sum[p] = activate<Activation::relu, T>(sum[p], sum[p]);
    if (kWhole && r.streaming)
      stream(out, sum[p]);
    else if (kWhole)
      store(out, sum[p]);
    else
      store_n(out, sum[p], r.lanes);
  }
}

template <class T, int KW, int S, int P, bool kWhole>
FASTNN_INLINE void row_pixels(const DepthwiseRow<T>& r, int64_t q) {
  const int64_t stride = KW > 0 ? S : r.stride, first = q * stride + r.first;
  const int64_t last = first + (P - 1) * stride + (KW > 0 ? KW - 1 : (r.taps - 1) * r.step);
  const int64_t m = r.ow - q < P ? r.ow - q : P;
  if (r.ahead)
    for (int64_t k = q * r.ahead_lines; k < (q + m) * r.ahead_lines; ++k)
      prefetch(r.ahead + k * 64 / static_cast<int64_t>(sizeof(T)));
  if (first >= 0 && last < r.iw)
    row_block<T, KW, S, P, kWhole, true>(r, q, m);
  else
    row_block<T, KW, S, P, kWhole, false>(r, q, m);
}

template <class T, int KW, int S, bool kWhole>
void depthwise_row(const DepthwiseRow<T>& r) {
  constexpr int kFew = kRowPixels / 2;
  int64_t q = 0;
  for (; q + kFew < r.ow; q += kRowPixels) row_pixels<T, KW, S, kRowPixels, kWhole>(r, q);
  if (q < r.ow) row_pixels<T, KW, S, kFew, kWhole>(r, q);
}

template <class T>
using DepthwiseRowFn = void (*)(const DepthwiseRow<T>&);

template <class T, bool kWhole>
DepthwiseRowFn<T> depthwise_row_for(int64_t taps, int64_t step, int64_t stride) {
  if constexpr (sizeof(T) == 4) {
    if (step == 1 && stride == 1) {
      if (taps == 3) return depthwise_row<T, 3, 1, kWhole>;
      if (taps == 5) return depthwise_row<T, 5, 1, kWhole>;
      if (taps == 7) return depthwise_row<T, 7, 1, kWhole>;
    }
    if (step == 1 && stride == 2) {
      if (taps == 3) return depthwise_row<T, 3, 2, kWhole>;
      if (taps == 5) return depthwise_row<T, 5, 2, kWhole>;
    }
  }
  return depthwise_row<T, 0, 0, kWhole>;
}

}  // namespace fastnn::FASTNN_ISA
