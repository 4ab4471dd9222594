#include "ops/layout.h"

#include "core/vec_shuffle.h"
#include "cpu/pixels.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
FASTNN_INLINE T read(const char* p) {
  T x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}

// copy_plane where a column lies along src, rows and cols being kLanes at least: squares of a vector's side
// turned in registers, those of a cache line of dst one after the other. The last square of a row or of a
// column overlaps the one before.
template <bool kStreaming, class T>
void turn_plane(const char* src, int64_t col_stride, T* dst, int64_t rows, int64_t cols) {
  constexpr int64_t kW = kLanes<T>, kLine = 64 / static_cast<int64_t>(sizeof(T));
  for (int64_t c0 = 0; c0 < cols; c0 += kLine)
    for (int64_t r0 = 0; r0 < rows; r0 += kW)
      for (int64_t c1 = c0; c1 < cols && c1 < c0 + kLine; c1 += kW) {
        const int64_t r = r0 + kW <= rows ? r0 : rows - kW, c = c1 + kW <= cols ? c1 : cols - kW;
        const char* from = src + r * static_cast<int64_t>(sizeof(T)) + c * col_stride;
        T* to = dst + r * cols + c;
        Vec<T> v[kW];
#pragma GCC unroll 16
        for (int64_t i = 0; i < kW; ++i) v[i] = read<Vec<T>>(from + i * col_stride);
        transpose<T>(v);
#pragma GCC unroll 16
        for (int64_t i = 0; i < kW; ++i) put<kStreaming>(to + i * cols, v[i]);
      }
  if (kStreaming) stream_fence();
}

// dst[r][c] = src[r * row_stride + c * col_stride]: tiles of 16 rows by 16 columns, so that of a
// transposition both sides' cache lines are used whole while they are in L1.
template <class T>
void copy_plane(const char* src, int64_t row_stride, int64_t col_stride, T* dst, int64_t rows, int64_t cols,
                bool streaming) {
  if (row_stride == static_cast<int64_t>(sizeof(T)) && rows >= kLanes<T> && cols >= kLanes<T>)
    return streaming ? turn_plane<true>(src, col_stride, dst, rows, cols)
                     : turn_plane<false>(src, col_stride, dst, rows, cols);
  if (col_stride == static_cast<int64_t>(sizeof(T))) {
    for (int64_t r = 0; r < rows; ++r) __builtin_memcpy(dst + r * cols, src + r * row_stride, cols * sizeof(T));
    return;
  }
  constexpr int64_t kTile = 16;
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    const int64_t r1 = r0 + kTile < rows ? r0 + kTile : rows;
    for (int64_t c0 = 0; c0 < cols; c0 += kTile) {
      const int64_t c1 = c0 + kTile < cols ? c0 + kTile : cols;
      for (int64_t r = r0; r < r1; ++r) {
        const char* from = src + r * row_stride;
        for (int64_t c = c0; c < c1; ++c) dst[r * cols + c] = read<T>(from + c * col_stride);
      }
    }
  }
}

template <class T>
void strided_copy_impl(const StridedCopyArgs<T>& a) {
  // Merge neighbouring axes that step as one.
  int64_t shape[8], strides[8];
  int rank = 0;
  int64_t total = 1;
  for (int i = 0; i < a.rank; ++i) {
    total *= a.shape[i];
    if (a.shape[i] == 1) continue;
    if (rank > 0 && strides[rank - 1] == a.strides[i] * a.shape[i]) {
      shape[rank - 1] *= a.shape[i];
      strides[rank - 1] = a.strides[i];
    } else {
      shape[rank] = a.shape[i];
      strides[rank++] = a.strides[i];
    }
  }
  if (total == 0) return;
  while (rank < 2) {  // a plane at least
    for (int i = rank; i > 0; --i) {
      shape[i] = shape[i - 1];
      strides[i] = strides[i - 1];
    }
    shape[0] = 1;
    strides[0] = 0;
    ++rank;
  }
  const int64_t rows = shape[rank - 2], cols = shape[rank - 1];
  const int64_t planes = total / (rows * cols);
  // Blocks of about 64 KB: rows of a plane, at least 16 so that the tiles stay whole.
  int64_t block_rows = (65536 / static_cast<int64_t>(sizeof(T)) + cols - 1) / cols;
  block_rows = block_rows < 16 ? 16 : (block_rows + 15) / 16 * 16;
  const bool streaming = can_stream_pixels(a.dst, total / cols, cols);
  const int64_t blocks_per_plane = (rows + block_rows - 1) / block_rows;
  parallel_blocks(planes * blocks_per_plane, a.width, 2 * total * static_cast<int64_t>(sizeof(T)),
                  [&](int64_t block, int) {
                    const int64_t plane = block / blocks_per_plane;
                    const int64_t r0 = block % blocks_per_plane * block_rows;
                    const int64_t n = rows - r0 < block_rows ? rows - r0 : block_rows;
                    const char* src = a.src + r0 * strides[rank - 2];
                    int64_t index = plane;
                    for (int i = rank - 3; i >= 0; --i) {
                      src += index % shape[i] * strides[i];
                      index /= shape[i];
                    }
                    copy_plane(src, strides[rank - 2], strides[rank - 1], a.dst + plane * rows * cols + r0 * cols, n,
                               cols, streaming);
                  });
}

}  // namespace

void strided_copy(const StridedCopyArgs<float>& a) { strided_copy_impl(a); }
void strided_copy(const StridedCopyArgs<double>& a) { strided_copy_impl(a); }

}  // namespace fastnn::FASTNN_ISA
