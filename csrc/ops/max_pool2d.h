// Maximum over sliding windows of channels-last images, and its gradient.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

// The code of an output is i * kw + j, where in its window the maximum lies: a byte if kh * kw <= 255,
// else four. All bits set: the window holds no pixel.
inline constexpr int64_t kMaxByteCodes = 255;
inline constexpr int64_t kCodeSlack = 64;  // bytes behind the codes that kernels may read

struct MaxPool2dGeometry {
  int64_t n, c, ih, iw, oh, ow, kh, kw;
  int64_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  int64_t code_bytes;
};

template <class T>
struct MaxPool2dArgs {
  MaxPool2dGeometry g;
  const T* x;
  T* y;
  void* codes;  // (n, oh, ow, c)
  int width;
};
FASTNN_KERNEL(void, max_pool2d_forward, MaxPool2dArgs)

template <class T>
struct MaxPool2dBackwardArgs {
  MaxPool2dGeometry g;
  const T* dy;
  const void* codes;
  T* dx;
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, max_pool2d_input_gradient_workspace, MaxPool2dBackwardArgs)
FASTNN_KERNEL(void, max_pool2d_input_gradient, MaxPool2dBackwardArgs)

}  // namespace fastnn
