// 2-D convolution (cross-correlation) on channels-last memory, and its gradients.
#pragma once

#include <cstdint>

#include "ops/activations.h"

namespace fastnn {

// A weight (co, ci / groups, kh, kw) by its strides in elements.
struct WeightStrides {
  int64_t out, in, kh, kw;
};

// winograd: F(4x4, 3x3), for 3x3 kernels with stride, dilation and groups 1 in float32.
enum class ConvAlgorithm { automatic, direct, winograd };

// x (n, ci, ih, iw), y (n, co, oh, ow);
// oh = (ih + pad_top + pad_bottom - dilation (kh - 1) - 1) / stride + 1, likewise ow.
template <class T>
struct Conv2dArgs {
  int64_t n, ci, ih, iw, co, oh, ow, kh, kw;
  int64_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left, groups;
  ConvAlgorithm algorithm;
  bool bfloat16;                 // operands in float32 may be rounded to it, and the CPU has the instruction
  WeightStrides weight_strides;  // of weight and dweight
  const T* x;                    // forward, weight gradient
  const T* weight;               // forward, input gradient
  const T* bias;                 // forward (and input gradient, for a transposed convolution), or null
  Activation activation;         // forward
  T activation_parameter;
  T* y;
  const T* dy;  // gradients
  T* dx;
  T* dweight;
  T* dbias;  // with dweight, or null
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, conv2d_forward_workspace, Conv2dArgs)
FASTNN_KERNEL(void, conv2d_forward, Conv2dArgs)
FASTNN_KERNEL(int64_t, conv2d_input_gradient_workspace, Conv2dArgs)
FASTNN_KERNEL(void, conv2d_input_gradient, Conv2dArgs)
FASTNN_KERNEL(int64_t, conv2d_weight_gradient_workspace, Conv2dArgs)
FASTNN_KERNEL(void, conv2d_weight_gradient, Conv2dArgs)

}  // namespace fastnn
