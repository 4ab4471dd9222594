// Layer normalisation over the rows of a (rows, length) array, with residual and activation fused:
// y = act((x - mean) * rstd * weight + bias + residual).
#pragma once

#include <cstdint>

#include "ops/activations.h"

namespace fastnn {

template <class T>
struct LayerNormArgs {
  int64_t rows, length;
  const T* x;
  const T* residual;         // or null
  const Compute<T>* weight;  // (length,), or null for 1
  const Compute<T>* bias;    // (length,), or null for 0
  double eps;
  Activation activation;
  Compute<T> activation_parameter;
  T* y;
  Compute<T>* mean;      // (rows,) written
  Compute<T>* mean_low;  // what the rounding of mean lost
  Compute<T>* rstd;
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, layer_norm_workspace, LayerNormArgs)
FASTNN_KERNEL(void, layer_norm_forward, LayerNormArgs)

template <class T>
struct LayerNormBackwardArgs {
  int64_t rows, length;
  const T* dy;
  const T* x;
  const T* y;  // read only where the activation's derivative cannot be had from x more cheaply
  const Compute<T>* weight;
  const Compute<T>* bias;
  const Compute<T>* mean;
  const Compute<T>* mean_low;
  const Compute<T>* rstd;
  bool has_residual;
  Activation activation;
  Compute<T> activation_parameter;
  T* dx;
  Compute<T>* dweight;  // or null
  Compute<T>* dbias;    // or null
  T* dresidual;         // dy * act'(y), or null
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, layer_norm_backward_workspace, LayerNormBackwardArgs)
FASTNN_KERNEL(void, layer_norm_backward, LayerNormBackwardArgs)

}  // namespace fastnn
