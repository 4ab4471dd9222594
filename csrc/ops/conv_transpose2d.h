// Transposed 2-D convolution: the input gradient of a convolution as an op of its own.
#pragma once

#include "ops/conv2d.h"

namespace fastnn {

// The convolution that it transposes: conv.dx is the output, conv.dy the input, conv.x the gradient of the
// output and conv.y the gradient of the input; conv.bias has one value for each channel of conv.dx.
template <class T>
struct ConvTranspose2dArgs {
  Conv2dArgs<T> conv;
};
FASTNN_KERNEL(int64_t, conv_transpose2d_forward_workspace, ConvTranspose2dArgs)
FASTNN_KERNEL(void, conv_transpose2d_forward, ConvTranspose2dArgs)
FASTNN_KERNEL(int64_t, conv_transpose2d_input_gradient_workspace, ConvTranspose2dArgs)
FASTNN_KERNEL(void, conv_transpose2d_input_gradient, ConvTranspose2dArgs)
FASTNN_KERNEL(int64_t, conv_transpose2d_weight_gradient_workspace, ConvTranspose2dArgs)
FASTNN_KERNEL(void, conv_transpose2d_weight_gradient, ConvTranspose2dArgs)

}  // namespace fastnn
