// y (rows, out) = act(x (rows, in) weight^T (in, out) + bias), and its gradients.
#pragma once

#include <cstdint>

#include "ops/activations.h"

namespace fastnn {

// C (m, n) = act(A (m, k) B (k, n) + bias); A and B by strides in elements, C dense.
template <class T>
struct MatmulArgs {
  int64_t m, n, k;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row, b_col;
  const T* bias;  // (n,) or null
  Activation activation;
  T activation_parameter;
  T* c;
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, matmul_workspace, MatmulArgs)
FASTNN_KERNEL(void, matmul, MatmulArgs)

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
