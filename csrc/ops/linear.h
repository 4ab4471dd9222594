// y (rows, out) = act(x (rows, in) weight^T (in, out) + bias) and its gradients are products of matrices;
// the bias's gradient is a sum over rows.
#pragma once

#include <cstdint>

#include "ops/matmul.h"

namespace fastnn {

// sums (cols,) = sum over rows of x (rows, cols).
template <class T>
struct ColumnSumsArgs {
  int64_t rows, cols;
  const T* x;
  T* sums;
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, column_sums_workspace, ColumnSumsArgs)
FASTNN_KERNEL(void, column_sums, ColumnSumsArgs)

}  // namespace fastnn
