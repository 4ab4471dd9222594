// Losses that are a sum over the elements, each with its gradient, in one pass.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

enum class ElementwiseLoss : int { mse, l1, huber, bce_with_logits };

template <class T>
struct ElementwiseLossArgs {
  ElementwiseLoss kind;
  int64_t n;
  const T *x, *target;
  const T *weight, *pos_weight;  // (n,) or null, of bce_with_logits
  Compute<T> delta;              // of huber
  Compute<T> scale;              // of the gradient
  T* dx;
  Compute<T>* losses;  // (n,) or null
  void* workspace;
  int width;
  Compute<T>* loss;  // on a device, where no sum is returned: the sum of the losses, times scale; or null
};
FASTNN_KERNEL(int64_t, elementwise_loss_workspace, ElementwiseLossArgs)
FASTNN_KERNEL(double, elementwise_loss, ElementwiseLossArgs)  // the sum of the losses

}  // namespace fastnn
