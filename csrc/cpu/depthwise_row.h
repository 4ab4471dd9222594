// One row of a depthwise correlation for one vector of channels. The pixels of a block are accumulators, the
// columns they read are loaded once for all taps of a row: 10 loads and 3 weights for 24 FMAs at 3x3.
#pragma once

#include "cpu/pixels.h"
#include "formulas/activations.h"

namespace fastnn::FASTNN_ISA {

template <class T>
struct DepthwiseRow {
  const T* in;       // these channels of column 0 of the first row of taps
  const T* in_end;   // where the array ends
  int64_t in_row;    // elements between two rows of taps
  int64_t in_pixel;  // and between two columns
  int64_t iw;        // columns; beyond them is padding
  int64_t rows_begin, rows, taps;
  int64_t first, step, stride;  // tap j of output q reads column q * stride + first + j * step
  const T* w;                   // of tap 0, a vector a tap
  int64_t w_row, w_col;         // elements to the next one's
  const T* bias;                // a vector
  bool relu, streaming;
  T* out;
  int64_t out_pixel, out_row, ow;
  int64_t lanes;
  const T* ahead;       // what will be read next, or null
  int64_t ahead_lines;  // how many for each pixel
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

template <class T, bool kWhole>
FASTNN_INLINE void row_store(const DepthwiseRow<T>& r, T* out, Vec<T> v) {
  if (r.relu) v = activate<Activation::relu, T>(v, v);
  if (kWhole && r.streaming)
    stream(out, v);
  else if (kWhole)
    store(out, v);
  else
    store_n(out, v, r.lanes);
}
template <class T>
FASTNN_INLINE void read_ahead(const DepthwiseRow<T>& r, int64_t q, int64_t m) {
  if (!r.ahead) return;
  for (int64_t k = q * r.ahead_lines; k < (q + m) * r.ahead_lines; ++k)
    prefetch_l2(r.ahead + k * 64 / static_cast<int64_t>(sizeof(T)));
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
  for (int64_t i = r.rows_begin; i < r.rows; ++i) {
    const T* row = r.in + i * r.in_row;
    const T* w = r.w + i * r.w_row;
    if constexpr (KW > 0) {
      constexpr int kSpan = (P - 1) * S + KW;
      Vec<T> x[kSpan];
#pragma GCC unroll 24
      for (int t = 0; t < kSpan; ++t) {
        x[t] = column(row, col + t);
        keep(x[t]);
      }
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
    row_store<T, kWhole>(r, r.out + (q + p) * r.out_pixel, sum[p]);
  }
}

template <class T, int KW, int S, int P, bool kWhole>
FASTNN_INLINE void row_pixels(const DepthwiseRow<T>& r, int64_t q) {
  const int64_t stride = KW > 0 ? S : r.stride, first = q * stride + r.first;
  const int64_t last = first + (P - 1) * stride + (KW > 0 ? KW - 1 : (r.taps - 1) * r.step);
  const int64_t m = r.ow - q < P ? r.ow - q : P;
  read_ahead(r, q, m);
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

// Two output rows of a 3x3 filter at once, from S + 3 input rows: 24 loads for 72 FMAs at stride 1, and the
// weights stay in registers along the row. Rows outside [rows_begin, rows) are padding.
template <class T, int S, bool kWhole, bool kInside>
FASTNN_INLINE void pair_block(const DepthwiseRow<T>& r, Vec<T> (&w)[3][3], Vec<T> bias, int64_t q, int64_t m) {
  constexpr int P = 4, kSpan = (P - 1) * S + 3;
  const int64_t col = q * S + r.first;
  Vec<T> sum[2][P];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) sum[0][p] = sum[1][p] = bias;
  const T* row = r.in + col * r.in_pixel;
#pragma GCC unroll 8
  for (int i = 0; i < S + 3; ++i, row += r.in_row) {
    if (i < r.rows_begin || i >= r.rows) continue;
    Vec<T> x[kSpan];
#pragma GCC unroll 16
    for (int t = 0; t < kSpan; ++t) {
      const bool padding = !kInside && (col + t < 0 || col + t >= r.iw);
      x[t] = padding ? Vec<T>{} : row_load<T, kWhole>(row + t * r.in_pixel, r.lanes, r.in_end);
      keep(x[t]);
    }
#pragma GCC unroll 2
    for (int o = 0; o < 2; ++o)
      if (i - o * S >= 0 && i - o * S < 3)
#pragma GCC unroll 3
        for (int j = 0; j < 3; ++j)
#pragma GCC unroll 4
          for (int p = 0; p < P; ++p) sum[o][p] = fma(x[p * S + j], w[i - o * S][j], sum[o][p]);
  }
#pragma GCC unroll 2
  for (int o = 0; o < 2; ++o)
    if (o == 0 || r.out_row > 0)
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p)
        if (p < m) row_store<T, kWhole>(r, r.out + o * r.out_row + (q + p) * r.out_pixel, sum[o][p]);
}

template <class T, int S, bool kWhole>
void depthwise_pair(const DepthwiseRow<T>& r) {
  Vec<T> w[3][3];
#pragma GCC unroll 9
  for (int k = 0; k < 9; ++k) w[k / 3][k % 3] = load(r.w + k / 3 * r.w_row + k % 3 * r.w_col);
  const Vec<T> bias = load(r.bias);
  for (int64_t q = 0; q < r.ow; q += 4) {
    const int64_t m = r.ow - q < 4 ? r.ow - q : 4, first = q * S + r.first;
    read_ahead(r, q, m);
    if (first >= 0 && first + 3 * S + 2 < r.iw)
      pair_block<T, S, kWhole, true>(r, w, bias, q, m);
    else
      pair_block<T, S, kWhole, false>(r, w, bias, q, m);
  }
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

template <class T, bool kWhole>
DepthwiseRowFn<T> depthwise_pair_for(int64_t stride) {
  return stride == 1 ? depthwise_pair<T, 1, kWhole> : depthwise_pair<T, 2, kWhole>;
}

}  // namespace fastnn::FASTNN_ISA
