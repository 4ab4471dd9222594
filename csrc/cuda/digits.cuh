// Flat arrays seen as (high, middle, low), the fastest axis last: a loop that knows where in it an element lies.
#pragma once

#include "cuda/elementwise.cuh"

namespace fastnn::cuda {

// A flat index as three digits, which move without divisions: one of 64 bits is some 100 instructions.
struct Digits {
  int64_t high, middle, low;
};

struct Sizes {
  int64_t middle, low;

  __host__ __device__ Digits of(int64_t index) const {
    const int64_t rest = index / low;
    return {rest / middle, rest % middle, index % low};
  }
  __device__ void advance(Digits& d, const Digits& step) const {
    d.low += step.low;
    d.middle += step.middle;
    d.high += step.high;
    carry(d);
  }
  __device__ void next(Digits& d) const {
    ++d.low;
    carry(d);
  }

 private:
  __device__ void carry(Digits& d) const {
    if (d.low >= low) d.low -= low, ++d.middle;
    if (d.middle >= middle) d.middle -= middle, ++d.high;
  }
};

template <class T, class F, class... Inputs>
__global__ void map_digits_kernel(int64_t packs, int64_t n, Sizes sizes, Digits pack_step, T* y, F f,
                                  const Inputs*... x) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  Digits at = sizes.of(thread * kPack<T>);
  for (int64_t i = thread; i < packs; i += step) {
    Pack<T> out;
    const auto combine = [&](const auto&... in) {
      Digits d = at;
#pragma unroll
      for (int k = 0; k < kPack<T>; ++k) {
        out.at[k] = static_cast<T>(f(d, in.at[k]...));
        sizes.next(d);
      }
    };
    combine(reinterpret_cast<const Pack<T>*>(x)[i]...);
    reinterpret_cast<Pack<T>*>(y)[i] = out;
    sizes.advance(at, pack_step);
  }
  for (int64_t i = packs * kPack<T> + thread; i < n; i += step) y[i] = static_cast<T>(f(sizes.of(i), x[i]...));
}

// y[i] = f(digits of i, x1[i], ...) for i in [0, n).
template <class T, class F, class... Inputs>
void map_digits(int64_t n, Sizes sizes, T* y, const F& f, const Inputs*... x) {
  if (n == 0) return;
  const uintptr_t addresses = (reinterpret_cast<uintptr_t>(y) | ... | reinterpret_cast<uintptr_t>(x));
  const int64_t packs = addresses % sizeof(Pack<T>) == 0 ? n / kPack<T> : 0;
  const int64_t items = packs > 0 ? packs : n, all = ceil_div(items, kThreads), most = resident_blocks() * 4;
  const int64_t blocks = all < most ? all : most;
  FASTNN_LAUNCH((map_digits_kernel<T, F, Inputs...>), blocks, kThreads, 0, packs, n, sizes,
                sizes.of(blocks * kThreads * kPack<T>), y, f, x...);
}

}  // namespace fastnn::cuda
