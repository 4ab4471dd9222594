// C = A B for few rows or few columns where both operands run along k: dot products, nothing is packed.
//
// Vectors run along k; a tile of kRows x 4 outputs shares their loads, and sums the lanes at the end.
#pragma once

#include "cpu/gemm.h"

namespace fastnn::FASTNN_ISA {

template <class T>
struct Dots {
  const Gemm<T>& g;  // a.col == 1 and b.row == 1

#if defined(__AVX512F__) || defined(__aarch64__)
  static constexpr int kRows = 4;
#else
  static constexpr int kRows = 2;  // 16 registers: 8 sums, 4 of B, 1 of A
#endif
  static constexpr int kCols = 4;
  static constexpr int64_t kL = kLanes<T>;
  static constexpr int64_t kDepth = 1024;  // 4 columns of B: 16 KB of L1

  // By the shape alone, for the order of the sums depends on it.
  static bool suits(int64_t m, int64_t n, int64_t k) { return (m <= 16 || n <= 16) && k >= 4 * kL; }

  // One tile over `depth` of k: sums[r * kCols + c].
  template <int R>
  static void tile(const T* a, int64_t a_row, const T* b, int64_t b_col, int64_t cols, int64_t depth, T* sums) {
    constexpr int kSums = (R * kCols + kL - 1) / kL * kL;
    Vec<T> acc[kSums];
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) acc[i] = Vec<T>{};
    // A column beyond the last is the last again.
    const T* columns[kCols];
#pragma GCC unroll 4
    for (int c = 0; c < kCols; ++c) columns[c] = b + (c < cols ? c : cols - 1) * b_col;
    int64_t i = 0;
    for (; i + kL <= depth; i += kL) {
      Vec<T> bv[kCols];
#pragma GCC unroll 4
      for (int c = 0; c < kCols; ++c) {
        bv[c] = load(columns[c] + i);
        prefetch(columns[c] + i + kCols * b_col);
      }
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const Vec<T> av = load(a + r * a_row + i);
#pragma GCC unroll 4
        for (int c = 0; c < kCols; ++c) acc[r * kCols + c] = fma(av, bv[c], acc[r * kCols + c]);
      }
    }
    if (i < depth) {
#pragma GCC unroll 4
      for (int c = 0; c < kCols; ++c) {
        const Vec<T> bv = load_n(columns[c] + i, depth - i);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r)
          acc[r * kCols + c] = fma(load_n(a + r * a_row + i, depth - i), bv, acc[r * kCols + c]);
      }
    }
#pragma GCC unroll 16
    for (int s = 0; s < kSums; s += static_cast<int>(kL)) store(sums + s, sum_each<T>(acc + s));
  }

  template <int R>
  void rows(int64_t row, int64_t col, int64_t cols, int64_t k0, int64_t depth) const {
    T sums[16 + kL];
    tile<R>(g.a.at(row, k0), g.a.row, g.b.at(k0, col), g.b.col, cols, depth, sums);
    for (int r = 0; r < R; ++r)
      for (int64_t c = 0; c < cols; ++c) {
        T& y = g.c[(row + r) * g.c_row + col + c];
        y = k0 > 0 ? y + sums[r * kCols + c] : sums[r * kCols + c];
      }
  }

  void block(int64_t row0, int64_t row1, int64_t col0, int64_t col1) const {
    // A single tile of rows reads B once: no blocks.
    const int64_t most = g.m <= 4 ? g.k : kDepth;
    for (int64_t k0 = 0; k0 < g.k; k0 += most) {
      const int64_t depth = g.k - k0 < most ? g.k - k0 : most;
      for (int64_t j = col0; j < col1; j += kCols) {
        const int64_t cols = col1 - j < kCols ? col1 - j : kCols;
        int64_t i = row0;
        for (; i + kRows <= row1; i += kRows) rows<kRows>(i, j, cols, k0, depth);
        if (kRows == 4 && i + 2 <= row1) {
          rows<2>(i, j, cols, k0, depth);
          i += 2;
        }
        if (i < row1) rows<1>(i, j, cols, k0, depth);
      }
    }
    Epilogue<T> e = g.epilogue;
    if (e.bias) e.bias += col0;
    finish_rows(g.c + row0 * g.c_row + col0, g.c_row, row1 - row0, col1 - col0, e);
  }

  void run() const {
    // At most 64 tasks of 16 x 16 outputs or more, cut along the longer side.
    const bool down = g.m > g.n;
    const int64_t length = down ? g.m : g.n;
    int64_t size = (length + 63) / 64;
    size = (size < 16 ? 16 : size + 3) / 4 * 4;
    parallel_blocks((length + size - 1) / size, g.width, g.cost() + g.n * g.k, [&](int64_t i, int) {
      const int64_t begin = i * size, end = begin + size < length ? begin + size : length;
      if (down)
        block(begin, end, 0, g.n);
      else
        block(0, g.m, begin, end);
    });
  }
};

}  // namespace fastnn::FASTNN_ISA
