// Loops over the pixels of channels-last images: a thread takes some channels of a pixel, the next thread the
// next channels.
#pragma once

#include "cuda/piece.cuh"

namespace fastnn::cuda {

struct ImageSize {
  int64_t n, h, w, c;
  int64_t values() const { return n * h * w * c; }
};

// f(image, row, column, channel, index) for the first of each V values side by side.
template <int V, class F>
__global__ void pixels_kernel(ImageSize size, F f) {
  const int64_t pieces = size.c / V, all = size.n * size.h * size.w * pieces;
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < all; i += step) {
    const int64_t pixel = i / pieces, row = pixel / size.w, image = row / size.h;
    f(image, row - image * size.h, pixel - row * size.w, (i - pixel * pieces) * V, i * V);
  }
}

template <int V, class F>
void for_pixels(ImageSize size, const F& f) {
  if (size.values() == 0) return;
  const int64_t blocks = ceil_div(size.values() / V, kThreads), most = 8 * resident_blocks();
  FASTNN_LAUNCH((pixels_kernel<V, F>), blocks < most ? blocks : most, kThreads, 0, size, f);
}

// The maximum over a window as it is met position by position: the first of equals, or the first NaN.
template <class T, int V>
struct Best {
  Piece<T, V> value;
  int at[V];

  __device__ explicit Best(int code) {
    for (int v = 0; v < V; ++v) value.at[v] = -static_cast<T>(__builtin_inf()), at[v] = code;
  }
  template <class S>
  __device__ void meet(const S* p, int code) {
    const Piece<T, V> x = read_piece<V>(p);
    for (int v = 0; v < V; ++v) {
      const T best = value.at[v];
      const bool better = !(x.at[v] <= best) && best == best;  // true for a NaN on either side
      value.at[v] = better ? x.at[v] : best;
      at[v] = better ? code : at[v];
    }
  }
  template <class S, class I>
  __device__ void write(S* y, I* codes) const {
    Piece<I, V> code;
    for (int v = 0; v < V; ++v) code.at[v] = static_cast<I>(at[v]);
    write_piece(y, value);
    write_piece(codes, code);
  }
};

}  // namespace fastnn::cuda
