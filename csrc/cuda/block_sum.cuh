// The sum over a block's threads, by a tree of fixed shape.
#pragma once

#include "cuda/launch.h"

namespace fastnn::cuda {

// For blocks of kThreads; all threads call it, and thread 0 gets the sum.
template <class T>
__device__ T block_sum(T value) {
  __shared__ T of_warp[kThreads / 32];
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(~0u, value, step);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  T sum = 0;
  if (threadIdx.x == 0)
    for (int i = 0; i < kThreads / 32; ++i) sum += of_warp[i];
  __syncthreads();  // before the next sum
  return sum;
}

}  // namespace fastnn::cuda
