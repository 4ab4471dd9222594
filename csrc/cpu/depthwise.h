// Depthwise convolution: a filter for each channel, so vectors run along the channels and no product is shared.
#pragma once

#include "ops/conv2d.h"

namespace fastnn::FASTNN_ISA {

template <class T>
static inline bool is_depthwise(const Conv2dArgs<T>& a) {
  return a.groups > 1 && a.groups == a.ci && a.groups == a.co;
}

template <class T>
int64_t depthwise_workspace(const Conv2dArgs<T>& a);  // of forward and input gradient
template <class T>
void depthwise_forward(const Conv2dArgs<T>& a);
template <class T>
void depthwise_input_gradient(const Conv2dArgs<T>& a);
template <class T>
int64_t depthwise_weight_gradient_workspace(const Conv2dArgs<T>& a);
template <class T>
void depthwise_weight_gradient(const Conv2dArgs<T>& a);

}  // namespace fastnn::FASTNN_ISA
