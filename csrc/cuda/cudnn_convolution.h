// Convolutions through cuDNN, where it is there, worth its calls on the host and able to keep the promises: plain
// float32 (no TF32), the same bits in every run. The caller's kernel takes what it leaves.
#pragma once

#include "cuda/cudnn_plan.h"
#include "ops/conv2d.h"

namespace fastnn::cuda {

// Bytes of workspace that it needs; 0 where it does not take the convolution.
template <class T>
int64_t dnn_workspace(dnn::Direction direction, const Conv2dArgs<T>& a);
// Whether it did it; the workspace must have been asked for on this thread.
template <class T>
bool dnn_convolve(dnn::Direction direction, const Conv2dArgs<T>& a);

}  // namespace fastnn::cuda
