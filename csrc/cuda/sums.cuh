// Sums over the threads of a block and of parts of it. Their order follows from the counts alone.
#pragma once

#include "cuda/launch.h"

namespace fastnn::cuda {

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
__device__ void sum_team(T (&values)[K], int warps, T (&shared)[K][kThreads / 32]) {
  for (int mask = 16; mask > 0; mask /= 2)
#pragma unroll
    for (int k = 0; k < K; ++k) values[k] += __shfl_xor_sync(~0u, values[k], mask);
  if (warps == 1) return;
  const int warp = static_cast<int>(threadIdx.x) / 32, first = warp / warps * warps;
  __syncthreads();  // the last sums have been read
  if (threadIdx.x % 32 == 0)
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
