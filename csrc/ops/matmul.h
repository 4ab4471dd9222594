// Products of matrices, alone or in batches.
#pragma once

#include <cstdint>

#include "ops/activations.h"

namespace fastnn {

inline constexpr int kMaxBatchRank = 8;

// C (m, n) = act(A (m, k) B (k, n) + bias) for each index of the batch. A and B by strides in elements:
// one of each one's two strides is 1; the batch axes have strides of any sign, 0 repeats a matrix. C is
// dense. The order of the sums depends on the shape and on along_k alone.
template <class T>
struct MatmulArgs {
  int64_t m, n, k;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row, b_col;
  bool bfloat16;  // operands in float32 may be rounded to it, and the CPU has the instruction
  bool along_k;   // a_col and b_row are 1: few rows or columns may be summed along k
  const T* bias;  // (n,) or null
  Activation activation;
  T activation_parameter;
  T* c;
  int batch_rank;
  int64_t batch_shape[kMaxBatchRank], a_batch[kMaxBatchRank], b_batch[kMaxBatchRank];
  // Under 0.8 MB a thread; where a long reduction is cut in parts, 1/2048 of m * n * k elements more.
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, matmul_workspace, MatmulArgs)
FASTNN_KERNEL(void, matmul, MatmulArgs)

}  // namespace fastnn
