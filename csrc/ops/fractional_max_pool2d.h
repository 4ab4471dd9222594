// Maximum over windows at pseudo-random distances on channels-last images, and its gradient.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

// The code of an output is i * kw + j, where in its window the maximum lies.
inline constexpr int64_t kMaxFractionalWindow = 255;
inline constexpr int64_t kFractionalCodeSlack = 64;  // bytes behind the codes that kernels may read

struct FractionalGeometry {
  int64_t n, c, ih, iw, oh, ow, kh, kw;
};

template <class T>
struct FractionalMaxPool2dArgs {
  FractionalGeometry g;
  uint64_t seed, offset;
  const T* x;
  T* y;
  int64_t* starts;  // (n, oh + ow) written: the first row of every window, the first column
  uint8_t* codes;   // (n, oh, ow, c) written
  int width;
};
FASTNN_KERNEL(void, fractional_max_pool2d_forward, FractionalMaxPool2dArgs)

template <class T>
struct FractionalMaxPool2dBackwardArgs {
  FractionalGeometry g;
  const T* dy;
  const int64_t* starts;
  const uint8_t* codes;
  T* dx;
  int width;
};
FASTNN_KERNEL(void, fractional_max_pool2d_input_gradient, FractionalMaxPool2dBackwardArgs)

}  // namespace fastnn
