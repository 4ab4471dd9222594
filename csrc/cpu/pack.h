// Copies of pieces of a matrix in the order in which the micro-kernel reads them.
#pragma once

#include "core/vec_shuffle.h"
#include "cpu/tile.h"

namespace fastnn::FASTNN_ISA {

template <class T>
struct Matrix {
  const T* data;
  int64_t row, col;  // strides in elements; one of them is 1
  bool by_rows() const { return col == 1; }
  const T* at(int64_t i, int64_t j) const { return data + i * row + j * col; }
};

// The columns [col, col + cols) of rows [row, row + depth) of B, as panels of two vectors (the last one
// perhaps of one): panel p is dst[p * kWide * depth ...][depth][width], columns beyond the last zero.
template <class T>
struct PanelPacker {
  static constexpr int64_t kL = kLanes<T>, kWide = Panels<T>::kWide;
  const Matrix<T>& b;
  int64_t row, depth, col, cols;
  T* dst;

  void run() const {
    if (b.by_rows())
      copy_rows();
    else
      for (int64_t j = 0; j < cols; j += kWide) transpose_panel(j);
  }

  // Only the last panel, if it is not whole: what a tile cannot read in place.
  void run_rest() const {
    if (cols % kWide == 0) return;
    const int64_t j = cols / kWide * kWide;
    if (b.by_rows())
      copy_rest(j);
    else
      transpose_panel(j);
  }

 private:
  static constexpr int64_t kAhead = 4;  // rows on their way while one is copied

  void copy_rows() const {
    const int64_t whole = cols / kWide * kWide;
    for (int64_t i = 0; i < depth; ++i) {
      const T* src = b.at(row + i, col);
      T* to = dst + i * kWide;
      for (int64_t j = 0; j < whole; j += kWide) {
#pragma GCC unroll 2
        for (int64_t v = 0; v < kWide; v += kL) {
          if (v % (64 / static_cast<int64_t>(sizeof(T))) == 0) prefetch(src + kAhead * b.row + j + v);
          store(to + j * depth + v, load(src + j + v));
        }
      }
    }
    if (whole < cols) copy_rest(whole);
  }

  void copy_rest(int64_t j) const {
    const int64_t valid = cols - j, width = valid <= kL ? kL : kWide;
    for (int64_t i = 0; i < depth; ++i) {
      const T* src = b.at(row + i, col + j);
      T* to = dst + j * depth + i * width;
      store(to, valid >= kL ? load(src) : load_n(src, valid));
      if (width > kL) store(to + kL, load_n(src + kL, valid - kL));
    }
  }

  void transpose_panel(int64_t j) const {
    const int64_t valid = cols - j < kWide ? cols - j : kWide, width = valid <= kL ? kL : kWide;
    for (int64_t v = 0; v < width; v += kL) {
      const int64_t lanes = valid - v < kL ? valid - v : kL;
      const T* src = b.at(row, col + j + v);
      T* to = dst + j * depth + v;
      if (lanes == kL)
        transpose_square<true>(src, lanes, width, to);
      else
        transpose_square<false>(src, lanes, width, to);
    }
  }

  // kL columns of B, each contiguous in memory, as rows of kL lanes.
  template <bool kWhole>
  void transpose_square(const T* src, int64_t lanes, int64_t width, T* to) const {
    const int64_t step = b.col;
    int64_t i = 0;
    for (; i + kL <= depth; i += kL) {
      Vec<T> v[kL];
#pragma GCC unroll 16
      for (int64_t j = 0; j < kL; ++j) {
        v[j] = kWhole || j < lanes ? load(src + j * step + i) : Vec<T>{};
        prefetch_l2(src + (j + kL) * step + i);
      }
      transpose<T>(v);
#pragma GCC unroll 16
      for (int64_t j = 0; j < kL; ++j) store(to + (i + j) * width, v[j]);
    }
    if (i == depth) return;
    Vec<T> v[kL];
#pragma GCC unroll 16
    for (int64_t j = 0; j < kL; ++j) v[j] = kWhole || j < lanes ? load_n(src + j * step + i, depth - i) : Vec<T>{};
    transpose<T>(v);
#pragma GCC unroll 16
    for (int64_t j = 0; j < kL; ++j)
      if (i + j < depth) store(to + (i + j) * width, v[j]);
  }
};

// Rows of A at a distance that spreads them over the L1 cache.
template <class T>
static void copy_rows(const Matrix<T>& a, int64_t row, int64_t rows, int64_t k, int64_t depth, int64_t dst_row,
                      T* dst) {
  constexpr int64_t kL = kLanes<T>;
  for (int64_t r = 0; r < rows; ++r) {
    const T* src = a.at(row + r, k);
    T* to = dst + r * dst_row;
    int64_t i = 0;
    for (; i + kL <= depth; i += kL) store(to + i, load(src + i));
    for (; i < depth; ++i) to[i] = src[i];
  }
}

// Rows of A side by side, from memory where they are neighbours: tile i is dst[i][depth][kStep]. Several tiles
// at once, for runs of a few lines; memory beyond `end` rows is not touched.
template <class T, int64_t kStep>
static void copy_columns(const Matrix<T>& a, const Pieces& tiles, int64_t first, int64_t last, int64_t row, int64_t end,
                         int64_t k, int64_t depth, T* dst) {
  constexpr int64_t kL = kLanes<T>, kLine = 64 / static_cast<int64_t>(sizeof(T)), kAheadRows = 8;
  for (int64_t i = 0; i < depth; ++i) {
    const T* next = a.at(row + tiles.begin(first), k + i + kAheadRows);
    for (int64_t r = 0; r < tiles.begin(last) - tiles.begin(first); r += kLine) prefetch(next + r);
    for (int64_t t = first; t < last; ++t) {
      const int64_t at = row + tiles.begin(t), rows = tiles.size(t);
      const T* src = a.at(at, k + i);
      T* to = dst + ((t - first) * depth + i) * kStep;
      if (at + kStep <= end)
        for (int64_t v = 0; v < kStep; v += kL) store(to + v, load(src + v));
      else
        for (int64_t r = 0; r < rows; ++r) to[r] = src[r];
    }
  }
}

// A region of memory that will be read soon, brought to L2 in `parts` portions between the tiles.
template <class T>
struct Ahead {
  const T* data;
  int64_t runs, step, length, parts, part = 0;
  void next() {
    if (part == parts) return;
    const int64_t end = runs * (part + 1) / parts;
    for (int64_t i = runs * part / parts; i < end; ++i)
      for (int64_t j = 0; j < length; j += 64 / static_cast<int64_t>(sizeof(T))) prefetch_l2(data + i * step + j);
    ++part;
  }
};
template <class T>
static Ahead<T> ahead(const Matrix<T>& x, int64_t row, int64_t col, int64_t rows, int64_t cols, int64_t parts) {
  if (x.by_rows()) return {x.at(row, col), rows, x.row, cols, parts};
  return {x.at(row, col), cols, x.col, rows, parts};
}

}  // namespace fastnn::FASTNN_ISA
