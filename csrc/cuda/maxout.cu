#include "cuda/digits.cuh"
#include "formulas/maxout.h"
#include "ops/maxout.h"

namespace fastnn::cuda {
namespace {

template <class T>
struct alignas(kPack<T>) Winners {
  uint8_t at[kPack<T>];
};

// The inputs of a pack of outputs are kPieces packs.
template <int kPieces, class T>
__global__ void packs_kernel(int64_t packs, MaxoutArgs<T> a) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < packs; i += step) {
    Pack<T> in[kPieces], out;
    Winners<T> winners;
#pragma unroll
    for (int j = 0; j < kPieces; ++j) in[j] = reinterpret_cast<const Pack<T>*>(a.in)[i * kPieces + j];
#pragma unroll
    for (int k = 0; k < kPack<T>; ++k) {
      Compute<T> best = in[k * kPieces / kPack<T>].at[k * kPieces % kPack<T>];
      int winner = 0;
#pragma unroll
      for (int j = 1; j < kPieces; ++j) {
        const int at = k * kPieces + j;
        const Compute<T> v = in[at / kPack<T>].at[at % kPack<T>];
        if (beats(v, best)) best = v, winner = j;
      }
      out.at[k] = static_cast<T>(best);
      winners.at[k] = static_cast<uint8_t>(winner);
    }
    reinterpret_cast<Pack<T>*>(a.out)[i] = out;
    reinterpret_cast<Winners<T>*>(a.winners)[i] = winners;
  }
}

// One output a thread, from number `first` on.
template <class T>
__global__ void outputs_kernel(int64_t first, MaxoutArgs<T> a) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = first + static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < a.n; i += step) {
    const T* x = a.in + i * a.pieces;
    Compute<T> best = x[0];
    int winner = 0;
#pragma unroll 4
    for (int j = 1; j < a.pieces; ++j) {
      const Compute<T> v = x[j];
      if (beats(v, best)) best = v, winner = j;
    }
    a.out[i] = static_cast<T>(best);
    a.winners[i] = static_cast<uint8_t>(winner);
  }
}

int64_t blocks_for(int64_t items) {
  const int64_t all = ceil_div(items, kThreads), most = resident_blocks() * 4;
  return all < most ? all : most;
}

template <int kPieces, class T>
int64_t take_packs(int64_t packs, const MaxoutArgs<T>& a) {
  if (packs > 0) FASTNN_LAUNCH((packs_kernel<kPieces, T>), blocks_for(packs), kThreads, 0, packs, a);
  return packs * kPack<T>;
}

template <class T>
void forward(const MaxoutArgs<T>& a) {
  const uintptr_t addresses =
      reinterpret_cast<uintptr_t>(a.in) | reinterpret_cast<uintptr_t>(a.out) | reinterpret_cast<uintptr_t>(a.winners);
  const int64_t packs = addresses % sizeof(Pack<T>) == 0 ? a.n / kPack<T> : 0;
  int64_t done = 0;
  if (a.pieces == 2) done = take_packs<2>(packs, a);
  if (a.pieces == 3) done = take_packs<3>(packs, a);
  if (a.pieces == 4) done = take_packs<4>(packs, a);
  if (a.pieces == 5) done = take_packs<5>(packs, a);
  if (done < a.n) FASTNN_LAUNCH(outputs_kernel<T>, blocks_for(a.n - done), kThreads, 0, done, a);
}

template <class T>
struct GiveBack {
  const T* dy;
  const uint8_t* winners;
  __device__ T operator()(const Digits& at) const { return winners[at.middle] == at.low ? dy[at.middle] : T{0}; }
};

template <class T>
void backward(const MaxoutArgs<T>& a) {
  map_digits(a.n * a.pieces, Sizes{a.n, a.pieces}, a.out, GiveBack<T>{a.in, a.winners});
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(void, maxout_forward, MaxoutArgs, forward)
FASTNN_CUDA_STORAGE_KERNEL(void, maxout_backward, MaxoutArgs, backward)

}  // namespace fastnn::cuda
