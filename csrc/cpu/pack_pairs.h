// Copies of pieces of a matrix as pairs of bfloat16 along the reduction, in the order of pack.h.
#pragma once

#include "cpu/pack.h"

namespace fastnn::FASTNN_ISA {

// Both operands of a product whose reduction has `k` values; positions along it are counted in pairs.
struct PairPacker {
  static constexpr int64_t kL = kLanes<float>, kWide = Panels<float>::kWide;
  int64_t k;

  // Pairs [pair, pair + depth) of the columns [col, col + cols) of B, as panels.
  void panels(const Matrix<float>& b, int64_t pair, int64_t depth, int64_t col, int64_t cols, float* dst) const {
    if (b.by_rows())
      join_rows(b, pair, depth, col, cols, dst);
    else
      for (int64_t j = 0; j < cols; j += kWide) transpose_panel(b, pair, depth, col + j, cols - j, dst + j * depth);
  }

  // Rows of A, `dst_row` apart.
  void rows(const Matrix<float>& a, int64_t row, int64_t rows, int64_t pair, int64_t depth, int64_t dst_row,
            float* dst) const {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < depth; i += kL)
        store(dst + r * dst_row + i, pairs_along(a.at(row + r, 2 * (pair + i)), k - 2 * (pair + i)));
  }

  // Rows of A side by side, from memory where they are neighbours: tile i is dst[i][depth][kL].
  void columns(const Matrix<float>& a, const Pieces& tiles, int64_t first, int64_t last, int64_t row, int64_t pair,
               int64_t depth, float* dst) const {
    for (int64_t i = 0; i < depth; ++i)
      for (int64_t t = first; t < last; ++t) {
        const float* p = a.at(row + tiles.begin(t), 2 * (pair + i));
        store(dst + ((t - first) * depth + i) * kL, pairs_across(p, second(p, a.col, pair + i), tiles.size(t)));
      }
  }

 private:
  // What stands `step` behind the first value of a pair, if there is anything.
  const float* second(const float* p, int64_t step, int64_t pair) const {
    return 2 * pair + 1 < k ? p + step : nullptr;
  }

  void join_rows(const Matrix<float>& b, int64_t pair, int64_t depth, int64_t col, int64_t cols, float* dst) const {
    for (int64_t i = 0; i < depth; ++i)
      for (int64_t j = 0; j < cols; j += kWide) {
        const int64_t valid = cols - j, width = valid <= kL ? kL : kWide;
        const float* p = b.at(2 * (pair + i), col + j);
        const float* q = second(p, b.row, pair + i);
        float* to = dst + j * depth + i * width;
        store(to, pairs_across(p, q, valid < kL ? valid : kL));
        if (width == kL) continue;
        store(to + kL, pairs_across(p + kL, q ? q + kL : q, valid < kWide ? valid - kL : kL));
      }
  }

  void transpose_panel(const Matrix<float>& b, int64_t pair, int64_t depth, int64_t col, int64_t valid,
                       float* dst) const {
    const int64_t width = valid <= kL ? kL : kWide;
    for (int64_t v = 0; v < width; v += kL)
      for (int64_t i = 0; i < depth; i += kL) {
        const float* src = b.at(2 * (pair + i), col + v);
        const int64_t left = k - 2 * (pair + i);
        Vec<float> lanes[kL];
#pragma GCC unroll 16
        for (int64_t j = 0; j < kL; ++j) lanes[j] = v + j < valid ? pairs_along(src + j * b.col, left) : Vec<float>{};
        transpose<float>(lanes);
#pragma GCC unroll 16
        for (int64_t j = 0; j < kL; ++j)
          if (i + j < depth) store(dst + (i + j) * width + v, lanes[j]);
      }
  }
};

}  // namespace fastnn::FASTNN_ISA
