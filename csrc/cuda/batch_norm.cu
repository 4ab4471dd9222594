// Batch normalisation is group normalisation of one image, every channel a group.
#include "cuda/launch.h"
#include "ops/batch_norm.h"
#include "ops/group_norm.h"

namespace fastnn::cuda {
namespace {

template <class T>
GroupNormArgs<T> one_image(const BatchNormArgs<T>& a) {
  GroupNormArgs<T> b{};
  b.images = 1, b.rows = a.rows, b.channels = a.channels, b.groups = a.channels;
  b.x = a.x, b.residual = a.residual, b.weight = a.weight, b.bias = a.bias;
  b.running_mean = a.running_mean, b.running_var = a.running_var;
  b.use_input_stats = a.training, b.momentum = a.momentum, b.eps = a.eps;
  b.activation = a.activation, b.activation_parameter = a.activation_parameter;
  b.y = a.y, b.mean = a.mean, b.rstd = a.rstd;
  b.workspace = a.workspace;
  return b;
}

template <class T>
GroupNormBackwardArgs<T> one_image(const BatchNormBackwardArgs<T>& a) {
  GroupNormBackwardArgs<T> b{};
  b.images = 1, b.rows = a.rows, b.channels = a.channels, b.groups = a.channels;
  b.dy = a.dy, b.x = a.x, b.y = a.y, b.weight = a.weight, b.bias = a.bias, b.mean = a.mean, b.rstd = a.rstd;
  b.use_input_stats = a.training, b.has_residual = a.has_residual;
  b.activation = a.activation, b.activation_parameter = a.activation_parameter;
  b.dx = a.dx, b.dweight = a.dweight, b.dbias = a.dbias, b.dresidual = a.dresidual;
  b.workspace = a.workspace;
  return b;
}

template <class Args>
int64_t workspace(const Args& a) {
  return group_norm_workspace(one_image(a));
}
template <class Args>
int64_t no_signs(const Args&) {
  return 0;
}
template <class Args>
void forward(const Args& a) {
  group_norm_forward(one_image(a));
}
template <class Args>
int64_t backward_workspace(const Args& a) {
  return group_norm_backward_workspace(one_image(a));
}
template <class Args>
void backward(const Args& a) {
  group_norm_backward(one_image(a));
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(int64_t, batch_norm_workspace, BatchNormArgs, workspace)
FASTNN_CUDA_STORAGE_KERNEL(int64_t, batch_norm_signs, BatchNormArgs, no_signs)
FASTNN_CUDA_STORAGE_KERNEL(void, batch_norm_forward, BatchNormArgs, forward)
FASTNN_CUDA_STORAGE_KERNEL(int64_t, batch_norm_backward_workspace, BatchNormBackwardArgs, backward_workspace)
FASTNN_CUDA_STORAGE_KERNEL(void, batch_norm_backward, BatchNormBackwardArgs, backward)

}  // namespace fastnn::cuda
