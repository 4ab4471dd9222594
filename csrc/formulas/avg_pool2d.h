// The pixels in a window of average pooling and their weight, along one axis.
#pragma once

#include "core/vec.h"
#include "ops/avg_pool2d.h"

namespace fastnn::FASTNN_ISA {

template <class T>
struct Range {
  int64_t begin, end;
  T factor;  // 1 / the positions counted along this axis
};

// The rows (or columns) of the image in window p.
template <class T>
FASTNN_INLINE Range<T> window(int64_t p, int64_t kernel, int64_t stride, int64_t before, int64_t after, int64_t size,
                              const AvgPool2dGeometry& g) {
  const int64_t start = p * stride - before, stop = start + kernel < size + after ? start + kernel : size + after;
  const int64_t begin = start > 0 ? start : 0, end = stop < size ? stop : size;
  const int64_t count = g.divisor ? 1 : g.count_padding ? stop - start : end - begin;
  return {begin, end > begin ? end : begin, count > 0 ? T{1} / static_cast<T>(count) : T{0}};
}
// The windows that hold row (or column) `at` of the image.
template <class T>
FASTNN_INLINE Range<T> windows_of(int64_t at, int64_t kernel, int64_t stride, int64_t before, int64_t windows) {
  const int64_t from = at + before - kernel + 1, begin = from > 0 ? (from + stride - 1) / stride : 0;
  const int64_t last = (at + before) / stride, end = last < windows ? last + 1 : windows;
  return {begin, end > begin ? end : begin, 1};
}
template <class T>
FASTNN_INLINE Range<T> rows_of(const AvgPool2dGeometry& g, int64_t p) {
  return window<T>(p, g.kh, g.stride_h, g.pad_top, g.pad_bottom, g.ih, g);
}
template <class T>
FASTNN_INLINE Range<T> columns_of(const AvgPool2dGeometry& g, int64_t q) {
  return window<T>(q, g.kw, g.stride_w, g.pad_left, g.pad_right, g.iw, g);
}

template <class T>
FASTNN_INLINE T scale_of(const AvgPool2dGeometry& g) {
  return g.divisor ? T{1} / static_cast<T>(g.divisor) : T{1};
}

}  // namespace fastnn::FASTNN_ISA
