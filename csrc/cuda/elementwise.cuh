// The one loop over flat arrays: 16 bytes a thread and array at once where they lie so, one tail.
#pragma once

#include "cuda/launch.h"

namespace fastnn::cuda {

template <class T>
inline constexpr int kPack = 16 / static_cast<int>(sizeof(T));

template <class T>
struct alignas(16) Pack {
  T at[kPack<T>];
};

template <class T, class F, class... Inputs>
__global__ void map_kernel(int64_t packs, int64_t n, T* y, F f, const Inputs*... x) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  for (int64_t i = thread; i < packs; i += step) {
    Pack<T> out;
    const auto combine = [&](const auto&... in) {
#pragma unroll
      for (int k = 0; k < kPack<T>; ++k) out.at[k] = static_cast<T>(f(in.at[k]...));
    };
    combine(reinterpret_cast<const Pack<T>*>(x)[i]...);
    reinterpret_cast<Pack<T>*>(y)[i] = out;
  }
  for (int64_t i = packs * kPack<T> + thread; i < n; i += step) y[i] = static_cast<T>(f(x[i]...));
}

// y[i] = f(x1[i], x2[i], ...), f of what T is computed with, for i in [0, n).
template <class T, class F, class... Inputs>
void map(int64_t n, T* y, const F& f, const Inputs*... x) {
  if (n == 0) return;
  const uintptr_t addresses = (reinterpret_cast<uintptr_t>(y) | ... | reinterpret_cast<uintptr_t>(x));
  const int64_t packs = addresses % sizeof(Pack<T>) == 0 ? n / kPack<T> : 0;
  const int64_t items = packs > 0 ? packs : n, all = ceil_div(items, kThreads), most = resident_blocks() * 4;
  FASTNN_LAUNCH((map_kernel<T, F, Inputs...>), all < most ? all : most, kThreads, 0, packs, n, y, f, x...);
}

}  // namespace fastnn::cuda
