// Element-wise activations: y = f(x), and their gradients.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

// Those from relu on have a derivative that follows from the output, so they fuse.
enum class Activation : int { none, relu, leaky_relu, elu, sigmoid, tanh };

template <class T>
struct ActivationArgs {
  Activation kind;
  Compute<T> parameter;  // negative_slope or alpha
  int64_t n;
  const T* x;
  T* y;
  int width;
};
FASTNN_KERNEL(void, activation_forward, ActivationArgs)

template <class T>
struct ActivationBackwardArgs {
  Activation kind;
  Compute<T> parameter;
  bool from_output;  // `saved` is y, else x
  int64_t n;
  const T* dy;
  const T* saved;
  T* dx;
  int width;
};
FASTNN_KERNEL(void, activation_backward, ActivationBackwardArgs)

}  // namespace fastnn
