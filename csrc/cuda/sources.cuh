// Where the elements of a matrix come from: a row (or column) of the product says where to start, a cursor moves
// along k. `along_k`: neighbours along k lie side by side in memory.
#pragma once

#include "cuda/launch.h"

namespace fastnn::cuda {

// A matrix by two strides.
template <class T>
struct Strided {
  using Element = T;
  using Row = int64_t;
  using Cursor = int64_t;
  const T* data;
  int64_t outer_stride, k_stride;

  __device__ bool along_k() const { return k_stride == 1; }
  __device__ Row row(int64_t outer) const { return outer * outer_stride; }
  __device__ Cursor start(int64_t k) const { return k * k_stride; }
  __device__ void advance(Cursor& cursor, int steps) const { cursor += steps * k_stride; }
  __device__ T at(const Row& row, const Cursor& cursor) const { return data[row + cursor]; }
};

}  // namespace fastnn::cuda
