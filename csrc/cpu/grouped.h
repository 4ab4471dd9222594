// Convolution in groups of 2, 4 or 8 channels: too few to fill a vector, so that a vector takes several groups.
#pragma once

#include "core/vec.h"
#include "ops/conv2d.h"

namespace fastnn::FASTNN_ISA {

// As many outputs as inputs, and vectors of whole groups; a group that fills one needs no help.
template <class T>
static inline bool is_grouped(const Conv2dArgs<T>& a) {
  const int64_t size = a.ci / a.groups;
  return a.groups > 1 && a.ci == a.co && (size == 2 || size == 4 || size == 8) && size < kLanes<T> &&
         a.ci % kLanes<T> == 0;
}

template <class T>
int64_t grouped_forward_workspace(const Conv2dArgs<T>& a);
template <class T>
void grouped_forward(const Conv2dArgs<T>& a);
template <class T>
int64_t grouped_input_gradient_workspace(const Conv2dArgs<T>& a);
template <class T>
void grouped_input_gradient(const Conv2dArgs<T>& a);
template <class T>
int64_t grouped_weight_gradient_workspace(const Conv2dArgs<T>& a);
template <class T>
void grouped_weight_gradient(const Conv2dArgs<T>& a);

}  // namespace fastnn::FASTNN_ISA
