// Some elements side by side in memory, which a thread reads or writes at once.
#pragma once

#include "cuda/launch.h"

namespace fastnn::cuda {

template <class T, int V>
struct alignas(V * sizeof(T) < 16 ? V * sizeof(T) : 16) Piece {
  T at[V];
};

// What is read is computed with; half precision is for memory.
template <int V, class T>
__device__ Piece<Compute<T>, V> read_piece(const T* p) {
  const Piece<T, V> stored = *reinterpret_cast<const Piece<T, V>*>(p);
  Piece<Compute<T>, V> piece;
#pragma unroll
  for (int v = 0; v < V; ++v) piece.at[v] = stored.at[v];
  return piece;
}
template <class T, int V>
__device__ void write_piece(T* p, const Piece<Compute<T>, V>& piece) {
  Piece<T, V> stored;
#pragma unroll
  for (int v = 0; v < V; ++v) stored.at[v] = static_cast<T>(piece.at[v]);
  *reinterpret_cast<Piece<T, V>*>(p) = stored;
}

// Elements in 16 bytes.
template <class T>
inline constexpr int kWidest = 16 / static_cast<int>(sizeof(T));

// Whether rows of `length` elements can be cut into pieces of 16 bytes at all these addresses.
template <class T, class... Pointers>
bool in_wide_pieces(int64_t length, const Pointers*... p) {
  const uintptr_t addresses = (uintptr_t{0} | ... | reinterpret_cast<uintptr_t>(p));
  return length % kWidest<T> == 0 && addresses % 16 == 0;
}

// body.template operator()<V>() with the elements of a piece.
template <class T, class Body>
void with_pieces(bool wide, const Body& body) {
  if (wide)
    body.template operator()<kWidest<T>>();
  else
    body.template operator()<1>();
}

}  // namespace fastnn::cuda
