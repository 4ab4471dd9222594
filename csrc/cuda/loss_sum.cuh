// The sum of the losses, in float64: one of each block, then one of all blocks. The blocks depend on the
// problem's size alone, so that the sum has one order on every card.
#pragma once

#include "cuda/sums.cuh"

namespace fastnn::cuda {

struct Blocks {
  int64_t count, each;
};
// `items` cut into at most 2048 blocks of whole units.
inline Blocks blocks_of(int64_t items, int64_t unit) {
  if (items == 0) return {0, unit};
  const int64_t each = ceil_div(ceil_div(items, unit), 2048) * unit;
  return {ceil_div(items, each), each};
}

inline __device__ double sum_of_warp(double value) {
  for (int lane = kWarp / 2; lane > 0; lane /= 2) value += __shfl_xor_sync(~0u, value, lane);
  return value;
}

// Sums of few parts, which every warp adds for itself.
inline constexpr int kFewParts = 64;
inline __device__ double sum_of_few(const double* parts, int count) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  return sum_of_warp((lane < count ? parts[lane] : 0) + (lane + kWarp < count ? parts[lane + kWarp] : 0));
}

// *loss = the sum of the parts times scale, or divided by the sum of `weights` if there are any.
template <class T>
__global__ void finish_loss_kernel(const double* parts, int64_t count, T scale, const double* weights, int weight_count,
                                   T* loss) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += parts[i];
  sum = block_sum(sum);
  const double factor = weights ? 1 / sum_of_few(weights, weight_count) : static_cast<double>(scale);
  if (threadIdx.x == 0) *loss = static_cast<T>(sum * factor);
}

template <class T>
void finish_loss(const double* parts, int64_t count, T scale, T* loss, const double* weights = nullptr,
                 int weight_count = 0) {
  if (loss) FASTNN_LAUNCH(finish_loss_kernel<T>, 1, kThreads, 0, parts, count, scale, weights, weight_count, loss);
}

}  // namespace fastnn::cuda
