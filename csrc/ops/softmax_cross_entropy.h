// Cross entropy of softmax(logits (n, c)) with its gradient, one pass over the rows.
#pragma once

#include <cstdint>

#include "core/integers.h"
#include "core/isa.h"

namespace fastnn {

// q = weight (on * target + off), target being 1 at classes[row] or the row of `distribution`;
// loss = -sum q log softmax, dlogits = scale (softmax sum(q) - q).
template <class T>
struct SoftmaxCrossEntropyArgs {
  int64_t n, c;
  const T* logits;
  const int64_t* classes;    // (n,), -1 ignores the row; or null
  const T* distribution;     // (n, c) where classes is null
  const Compute<T>* weight;  // (c,) or null
  Compute<T> on, off, scale;
  T* dlogits;
  Compute<T>* losses;  // (n,) or null
  void* workspace;
  int width;

  // On a device, where no sum is returned. A weight that is negative or not finite counts as NaN.
  Integers target;       // (n,) in place of classes; what is no class makes its row NaN
  int64_t ignore_index;  // in target
  bool mean;             // with target: scale is 1 over the weight of its rows
  Compute<T>* loss;      // the sum of the losses, times scale; or null
};
FASTNN_KERNEL(int64_t, softmax_cross_entropy_workspace, SoftmaxCrossEntropyArgs)
FASTNN_KERNEL(double, softmax_cross_entropy, SoftmaxCrossEntropyArgs)  // the sum of the losses

}  // namespace fastnn
