// Group normalisation of channels-last images: every image's channels are normalised in groups, each with its
// own statistics; instance normalisation is one group a channel. Residual and activation are fused:
// y = act((x - mean) * rstd * weight + bias + residual).
#pragma once

#include <cstdint>

#include "ops/activations.h"

namespace fastnn {

template <class T>
struct GroupNormArgs {
  int64_t images, rows, channels, groups;  // x (images, rows, channels)
  const T* x;
  const T* residual;         // or null
  const Compute<T>* weight;  // (channels,), or null for 1
  const Compute<T>* bias;    // (channels,), or null for 0
  Compute<T>* running_mean;  // (groups,) or null; updated if use_input_stats, else what is normalised with
  Compute<T>* running_var;
  bool use_input_stats;
  double momentum, eps;
  Activation activation;
  Compute<T> activation_parameter;
  T* y;
  Compute<T>* mean;      // (images, groups) written: the statistics used
  Compute<T>* mean_low;  // what the rounding of mean lost
  Compute<T>* rstd;
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, group_norm_workspace, GroupNormArgs)
FASTNN_KERNEL(void, group_norm_forward, GroupNormArgs)

template <class T>
struct GroupNormBackwardArgs {
  int64_t images, rows, channels, groups;
  const T* dy;
  const T* x;
  const T* y;  // read only where the activation's derivative cannot be had from x more cheaply
  const Compute<T>* weight;
  const Compute<T>* bias;
  const Compute<T>* mean;
  const Compute<T>* mean_low;
  const Compute<T>* rstd;
  bool use_input_stats;  // the statistics depend on x
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
FASTNN_KERNEL(int64_t, group_norm_backward_workspace, GroupNormBackwardArgs)
FASTNN_KERNEL(void, group_norm_backward, GroupNormBackwardArgs)

}  // namespace fastnn
