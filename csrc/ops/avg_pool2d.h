// Mean over sliding windows of channels-last images, and its gradient.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

struct AvgPool2dGeometry {
  int64_t n, c, ih, iw, oh, ow, kh, kw;
  int64_t stride_h, stride_w, pad_top, pad_left, pad_bottom, pad_right;
  bool count_padding;  // the divisor counts what lies in the padding, but nothing beyond it
  int64_t divisor;     // 0: the number of positions
};

template <class T>
struct AvgPool2dArgs {
  AvgPool2dGeometry g;
  const T* x;  // dy in the gradient
  T* y;        // dx in the gradient
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, avg_pool2d_workspace, AvgPool2dArgs)
FASTNN_KERNEL(void, avg_pool2d_forward, AvgPool2dArgs)
FASTNN_KERNEL(int64_t, avg_pool2d_input_gradient_workspace, AvgPool2dArgs)
FASTNN_KERNEL(void, avg_pool2d_input_gradient, AvgPool2dArgs)

}  // namespace fastnn
