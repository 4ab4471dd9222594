// PReLU: y = x where x > 0, else weight[channel] x.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

template <class T>
struct PreluArgs {
  int64_t outer, channels, inner;  // the array in memory; inner is 1 for the gradient
  const Compute<T>* weight;        // (channels,)
  const T* x;
  T* y;
  const T* dy;  // the gradient's
  T* dx;
  Compute<T>* dweight;
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, prelu_workspace, PreluArgs)
FASTNN_KERNEL(void, prelu_forward, PreluArgs)
FASTNN_KERNEL(void, prelu_backward, PreluArgs)

}  // namespace fastnn
