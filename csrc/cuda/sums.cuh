// Sums over the threads of a block and of parts of it. Their order follows from the counts alone.
#pragma once

#include "cuda/launch.h"

namespace fastnn::cuda {

inline constexpr int kWarp = 32;

// The sum over a block of kThreads, by a tree of fixed shape: all threads call it, and thread 0 gets the sum.
template <class T>
__device__ T block_sum(T value) {
  __shared__ T of_warp[kThreads / kWarp];
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(~0u, value, step);
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  T sum = 0;
  if (threadIdx.x == 0)
    for (int i = 0; i < kThreads / kWarp; ++i) sum += of_warp[i];
  __syncthreads();  // before the next sum
  return sum;
}

// The threads of a block are `lanes` rows of `columns`, perhaps with some left over. Adds up every column of K
// arrays, into its first lane. All threads must come here; what they wrote into `sums` need not be visible yet.
template <int K, class T>
__device__ void sum_columns(T (&sums)[K][kThreads], int lanes, int columns) {
  const int thread = static_cast<int>(threadIdx.x), lane = thread / columns;
  int step = 1;
  while (step < lanes) step *= 2;
  for (step /= 2; step > 0; step /= 2) {
    __syncthreads();
    if (lane < step && lane + step < lanes) {
#pragma unroll
      for (int k = 0; k < K; ++k) sums[k][thread] += sums[k][thread + step * columns];
    }
  }
}

// Sums over a team of neighbouring warps; every thread of the team gets them. All threads of the block must come.
template <int K, class T>
__device__ void sum_team(T (&values)[K], int warps, T (&shared)[K][kThreads / kWarp]) {
  for (int mask = 16; mask > 0; mask /= 2)
#pragma unroll
    for (int k = 0; k < K; ++k) values[k] += __shfl_xor_sync(~0u, values[k], mask);
  if (warps == 1) return;
  const int warp = static_cast<int>(threadIdx.x) / kWarp, first = warp / warps * warps;
  __syncthreads();  // the last sums have been read
  if (threadIdx.x % kWarp == 0)
#pragma unroll
    for (int k = 0; k < K; ++k) shared[k][warp] = values[k];
  __syncthreads();
#pragma unroll
  for (int k = 0; k < K; ++k) {
    values[k] = shared[k][first];
    for (int w = 1; w < warps; ++w) values[k] += shared[k][first + w];
  }
}

}  // namespace fastnn::cuda
