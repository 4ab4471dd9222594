// Batch normalisation over the rows of a (rows, channels) array, with residual and activation fused:
// y = act((x - mean) * rstd * weight + bias + residual).
#pragma once

#include <cstdint>

#include "ops/activations.h"

namespace fastnn {

template <class T>
struct BatchNormArgs {
  int64_t rows, channels;
  const T* x;
  const T* residual;         // or null
  const Compute<T>* weight;  // or null for 1
  const Compute<T>* bias;    // or null for 0
  Compute<T>* running_mean;  // or null; updated in training
  Compute<T>* running_var;
  bool training;  // statistics of the batch, else the running ones
  double momentum, eps;
  Activation activation;
  Compute<T> activation_parameter;
  T* y;
  void* signs;       // or null; written: a bit for every value, set where y > 0, in an order of this ISA's own
  Compute<T>* mean;  // (channels,) written: the statistics used
  Compute<T>* rstd;
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, batch_norm_workspace, BatchNormArgs)
// Bytes of signs; 0 where the backward pass has no use for them.
FASTNN_KERNEL(int64_t, batch_norm_signs, BatchNormArgs)
FASTNN_KERNEL(void, batch_norm_forward, BatchNormArgs)

template <class T>
struct BatchNormBackwardArgs {
  int64_t rows, channels;
  const T* dy;
  const T* x;
  const T* y;         // read only where the activation's derivative cannot be had from x or signs
  const void* signs;  // of the forward pass on this ISA, or null
  const Compute<T>* weight;
  const Compute<T>* bias;
  const Compute<T>* mean;
  const Compute<T>* rstd;
  bool training;  // the statistics depend on x
  bool has_residual;
  Activation activation;
  Compute<T> activation_parameter;
  T* dx;
  Compute<T>* dweight;
  Compute<T>* dbias;
  T* dresidual;  // dy * act'(y), or null
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, batch_norm_backward_workspace, BatchNormBackwardArgs)
FASTNN_KERNEL(void, batch_norm_backward, BatchNormBackwardArgs)

}  // namespace fastnn
