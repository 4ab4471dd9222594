// Which pixels a window of max pooling holds, and which windows hold a pixel, along one axis.
#pragma once

#include "core/vec.h"
#include "ops/max_pool2d.h"

namespace fastnn::FASTNN_ISA {

// Kernel positions [first, last) of the window at `start` that lie inside the image.
struct Inside {
  int64_t first, last;
};
FASTNN_INLINE Inside inside(int64_t start, int64_t kernel, int64_t dilation, int64_t size) {
  const int64_t first = start >= 0 ? 0 : (dilation - 1 - start) / dilation;
  const int64_t last = start + (kernel - 1) * dilation < size ? kernel : (size - start + dilation - 1) / dilation;
  return {first, last > first ? last : first};
}

// Windows that meet one pixel are `windows` apart, and meet it at kernel positions `taps` apart.
struct Steps {
  int64_t windows, taps;
};
FASTNN_INLINE Steps steps_of(int64_t stride, int64_t dilation) {
  int64_t divisor = dilation;
  for (int64_t rest = stride; rest;) {
    const int64_t next = divisor % rest;
    divisor = rest, rest = next;
  }
  return {dilation / divisor, stride / divisor};
}

// The windows that cover one row or column of the image: first, first + step, ..., which meet it at
// their kernel positions tap, tap - tap_step, ...
struct Cover {
  int64_t first, count, step, tap, tap_step;
};
FASTNN_INLINE Cover cover(int64_t position, int64_t windows, int64_t kernel, int64_t stride, int64_t dilation,
                          Steps steps) {
  Cover k{0, 0, steps.windows, 0, steps.taps};
  const int64_t before = position - dilation * (kernel - 1);
  k.first = before > 0 ? (before + stride - 1) / stride : 0;
  int64_t last = position / stride;
  if (last >= windows) last = windows - 1;
  while (k.first <= last && (position - k.first * stride) % dilation) ++k.first;
  if (k.first > last) return k;
  k.count = (last - k.first) / k.step + 1;
  k.tap = (position - k.first * stride) / dilation;
  return k;
}

template <class I>
inline constexpr I kNone = static_cast<I>(-1);

}  // namespace fastnn::FASTNN_ISA
