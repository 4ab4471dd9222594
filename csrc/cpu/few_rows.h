// One to three rows of A against a B in place: long strips of rows of B, each line of it read once.
#pragma once

#include "cpu/pack.h"

namespace fastnn::FASTNN_ISA {

inline constexpr int kFewRows = kMaxRows[kMaxVectors];

// sums[p][0..cols) = sum over k < depth of A(p, k) B(k, :), in order of k.
template <class T, int P>
static void sum_strip(const Matrix<T>& a, const Matrix<T>& b, int64_t depth, int64_t cols, T* sums, int64_t sums_row) {
  constexpr int64_t kL = kLanes<T>, kSteps = 8;
  auto steps = [&]<int64_t kCount>(int64_t k) {
    Vec<T> scale[P][kCount];
#pragma GCC unroll 3
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
      for (int64_t i = 0; i < kCount; ++i) scale[p][i] = splat(*a.at(p, k + i));
    for (int64_t j = 0; j < cols; j += kL) {
      const int64_t n = cols - j < kL ? cols - j : kL;
      const bool whole = n == kL;
      Vec<T> acc[P];
#pragma GCC unroll 3
      for (int p = 0; p < P; ++p) {
        T* at = sums + p * sums_row + j;
        acc[p] = k == 0 ? Vec<T>{} : whole ? load(at) : load_n(at, n);
      }
#pragma GCC unroll 8
      for (int64_t i = 0; i < kCount; ++i) {
        const T* row = b.data + (k + i) * b.row + j;
        const Vec<T> bv = whole ? load(row) : load_n(row, n);
#pragma GCC unroll 3
        for (int p = 0; p < P; ++p) acc[p] = fma(scale[p][i], bv, acc[p]);
      }
#pragma GCC unroll 3
      for (int p = 0; p < P; ++p) {
        T* at = sums + p * sums_row + j;
        whole ? store(at, acc[p]) : store_n(at, acc[p], n);
      }
    }
  };
  int64_t k = 0;
  for (; k + kSteps <= depth; k += kSteps) steps.template operator()<kSteps>(k);
  for (; k < depth; ++k) steps.template operator()<1>(k);
}

// C (+)= A B for rows <= kFewRows; `sums` has room for them.
template <class T>
static void few_rows(const Matrix<T>& a, const Matrix<T>& b, int64_t rows, int64_t depth, int64_t cols, bool add, T* c,
                     int64_t c_row, T* sums) {
  constexpr int64_t kL = kLanes<T>;
  T* to = add ? sums : c;
  const int64_t to_row = add ? (cols + kL - 1) / kL * kL : c_row;
  if (depth == 0) {
    for (int64_t p = 0; p < rows; ++p)
      for (int64_t j = 0; j < cols; ++j) to[p * to_row + j] = 0;
  } else if (rows == 1) {
    sum_strip<T, 1>(a, b, depth, cols, to, to_row);
  } else if constexpr (kFewRows > 1) {
    rows == 2 ? sum_strip<T, 2>(a, b, depth, cols, to, to_row) : sum_strip<T, 3>(a, b, depth, cols, to, to_row);
  }
  if (!add) return;
  for (int64_t p = 0; p < rows; ++p)
    for (int64_t j = 0; j < cols; j += kL) {
      const int64_t n = cols - j < kL ? cols - j : kL;
      T* at = c + p * c_row + j;
      store_n(at, load_n(at, n) + load_n(sums + p * to_row + j, n), n);
    }
}

}  // namespace fastnn::FASTNN_ISA
