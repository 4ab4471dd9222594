// Element-wise activations whose derivative needs the input: they cannot be fused behind another op.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

enum class InputActivation : int { selu, gelu, gelu_tanh, silu, softplus, hardswish };

template <class T>
struct InputActivationArgs {
  InputActivation kind;
  Compute<T> beta, threshold;  // of softplus
  int64_t n;
  const T* dy;  // null: forward
  const T* x;
  T* out;  // y, or dx
  int width;
};
FASTNN_KERNEL(void, input_activation, InputActivationArgs)

}  // namespace fastnn
