#include "cuda/launch.h"
#include "ops/conv_transpose2d.h"

namespace fastnn::cuda {

#define FASTNN_CONV_TRANSPOSE2D(T)                                                                  \
  int64_t conv_transpose2d_forward_workspace(const ConvTranspose2dArgs<T>& a) {                     \
    return conv2d_input_gradient_workspace(a.conv);                                                 \
  }                                                                                                 \
  void conv_transpose2d_forward(const ConvTranspose2dArgs<T>& a) { conv2d_input_gradient(a.conv); } \
  int64_t conv_transpose2d_input_gradient_workspace(const ConvTranspose2dArgs<T>& a) {              \
    return conv2d_forward_workspace(a.conv);                                                        \
  }                                                                                                 \
  void conv_transpose2d_input_gradient(const ConvTranspose2dArgs<T>& a) { conv2d_forward(a.conv); } \
  int64_t conv_transpose2d_weight_gradient_workspace(const ConvTranspose2dArgs<T>& a) {             \
    return conv2d_weight_gradient_workspace(a.conv);                                                \
  }                                                                                                 \
  void conv_transpose2d_weight_gradient(const ConvTranspose2dArgs<T>& a) { conv2d_weight_gradient(a.conv); }
FASTNN_CONV_TRANSPOSE2D(float)
FASTNN_CONV_TRANSPOSE2D(double)
FASTNN_CUDA_KERNEL(int64_t, conv_transpose2d_forward_workspace, ConvTranspose2dArgs)
FASTNN_CUDA_KERNEL(void, conv_transpose2d_forward, ConvTranspose2dArgs)
FASTNN_CUDA_KERNEL(int64_t, conv_transpose2d_input_gradient_workspace, ConvTranspose2dArgs)
FASTNN_CUDA_KERNEL(void, conv_transpose2d_input_gradient, ConvTranspose2dArgs)
FASTNN_CUDA_KERNEL(int64_t, conv_transpose2d_weight_gradient_workspace, ConvTranspose2dArgs)
FASTNN_CUDA_KERNEL(void, conv_transpose2d_weight_gradient, ConvTranspose2dArgs)

}  // namespace fastnn::cuda
