// Mean over windows that divide channels-last images into oh x ow parts, and its gradient.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

// x (n, c, ih, iw), y (n, c, oh, ow). Part p of P along H pixels is floor(p H / P) up to
// ceil((p + 1) H / P), its end excluded.
template <class T>
struct AdaptiveAvgPool2dArgs {
  int64_t n, c, ih, iw, oh, ow;
  const T* x;
  T* y;
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, adaptive_avg_pool2d_workspace, AdaptiveAvgPool2dArgs)
FASTNN_KERNEL(void, adaptive_avg_pool2d_forward, AdaptiveAvgPool2dArgs)

template <class T>
struct AdaptiveAvgPool2dBackwardArgs {
  int64_t n, c, ih, iw, oh, ow;
  const T* dy;
  T* dx;
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, adaptive_avg_pool2d_input_gradient_workspace, AdaptiveAvgPool2dBackwardArgs)
FASTNN_KERNEL(void, adaptive_avg_pool2d_input_gradient, AdaptiveAvgPool2dBackwardArgs)

}  // namespace fastnn
