// The multi-class hinge loss of scores (n, c) with its gradient, one pass over the rows.
#pragma once

#include <cstdint>

#include "core/integers.h"
#include "core/isa.h"

namespace fastnn {

// loss = sum over j != classes[row] of max(0, s_j - s_class + margin); the gradient is times `scale`.
template <class T>
struct MulticlassHingeArgs {
  int64_t n, c;
  const T* scores;
  const int64_t* classes;  // (n,)
  Compute<T> margin, scale;
  T* dscores;
  Compute<T>* losses;  // (n,) or null
  void* workspace;
  int width;

  // On a device, where no sum is returned.
  Integers target;   // (n,) in place of classes; what is no class makes its row NaN
  Compute<T>* loss;  // the sum of the losses, times scale; or null
};
FASTNN_KERNEL(int64_t, multiclass_hinge_workspace, MulticlassHingeArgs)
FASTNN_KERNEL(double, multiclass_hinge, MulticlassHingeArgs)  // the sum of the losses

}  // namespace fastnn
