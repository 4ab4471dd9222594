// Cross entropy of softmax(logits (n, c)) with its gradient, one pass over the rows.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

// q = weight (on * target + off), target being 1 at classes[row] or the row of `distribution`;
// loss = -sum q log softmax, dlogits = scale (softmax sum(q) - q).
template <class T>
struct SoftmaxCrossEntropyArgs {
  int64_t n, c;
  const T* logits;
  const int64_t* classes;  // (n,), -1 ignores the row; or null
  const T* distribution;   // (n, c) where classes is null
  const T* weight;         // (c,) or null
  T on, off, scale;
  T* dlogits;
  T* losses;  // (n,) or null
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, softmax_cross_entropy_workspace, SoftmaxCrossEntropyArgs)
FASTNN_KERNEL(double, softmax_cross_entropy, SoftmaxCrossEntropyArgs)  // the sum of the losses

}  // namespace fastnn
