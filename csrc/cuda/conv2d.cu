#include "cuda/correlation.cuh"
#include "ops/conv2d.h"

namespace fastnn::cuda {

int64_t conv2d_forward_workspace(const Conv2dArgs<float>& a) { return correlation_workspace(a, false); }
int64_t conv2d_forward_workspace(const Conv2dArgs<double>& a) { return correlation_workspace(a, false); }
void conv2d_forward(const Conv2dArgs<float>& a) { correlate(a, false); }
void conv2d_forward(const Conv2dArgs<double>& a) { correlate(a, false); }
int64_t conv2d_input_gradient_workspace(const Conv2dArgs<float>& a) { return correlation_workspace(a, true); }
int64_t conv2d_input_gradient_workspace(const Conv2dArgs<double>& a) { return correlation_workspace(a, true); }
void conv2d_input_gradient(const Conv2dArgs<float>& a) { correlate(a, true); }
void conv2d_input_gradient(const Conv2dArgs<double>& a) { correlate(a, true); }
FASTNN_CUDA_KERNEL(int64_t, conv2d_forward_workspace, Conv2dArgs)
FASTNN_CUDA_KERNEL(void, conv2d_forward, Conv2dArgs)
FASTNN_CUDA_KERNEL(int64_t, conv2d_input_gradient_workspace, Conv2dArgs)
FASTNN_CUDA_KERNEL(void, conv2d_input_gradient, Conv2dArgs)

}  // namespace fastnn::cuda
