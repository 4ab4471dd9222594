// softmax and log_softmax along one axis of a dense array, and their gradients.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

// The array is (outer, length, inner) in memory; the middle axis is normalised.
template <class T>
struct SoftmaxArgs {
  bool log;
  int64_t outer, length, inner;
  const T* dy;  // null: forward
  const T* in;  // x, or y for the gradient
  T* out;       // y, or dx
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, softmax_workspace, SoftmaxArgs)
FASTNN_KERNEL(void, softmax, SoftmaxArgs)

}  // namespace fastnn
