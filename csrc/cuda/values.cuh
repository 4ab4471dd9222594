// What a thread takes at once of a row: 16 bytes where the length of the row allows it, else one value.
#pragma once

#include "cuda/elementwise.cuh"
#include "formulas/activations.h"

namespace fastnn::cuda {

template <class T, int V>
struct alignas(V * sizeof(T)) Values {
  T at[V];
};

// Calls body.operator()<V, kPacked>() with the width that fits rows of this length and whether 16 bytes can be read
// and written at once at all these addresses (nullptr does not matter). Only the shape decides which thread takes
// what: no bit of a result depends on where an array lies.
template <class T, class Body, class... P>
void with_width(int64_t length, const Body& body, const P*... arrays) {
  if (length % kPack<T> != 0)
    body.template operator()<1, false>();
  else if ((reinterpret_cast<uintptr_t>(arrays) | ...) % sizeof(Pack<T>) != 0)
    body.template operator()<kPack<T>, false>();
  else
    body.template operator()<kPack<T>, true>();
}

template <int V, bool kPacked, class T>
__device__ __forceinline__ Values<T, V> read(const T* p) {
  Values<T, V> v;
  if constexpr (kPacked) {
    v = *reinterpret_cast<const Values<T, V>*>(p);
  } else {
#pragma unroll
    for (int k = 0; k < V; ++k) v.at[k] = p[k];
  }
  return v;
}

template <bool kPacked, class T, int V>
__device__ __forceinline__ void write(T* p, const Values<T, V>& v) {
  if constexpr (kPacked) {
    *reinterpret_cast<Values<T, V>*>(p) = v;
  } else {
#pragma unroll
    for (int k = 0; k < V; ++k) p[k] = v.at[k];
  }
}

// Of an optional array.
template <int V, bool kPacked, class T>
__device__ __forceinline__ Values<T, V> read_or(const T* p, int64_t at, T otherwise) {
  if (p) return read<V, kPacked>(p + at);
  Values<T, V> v;
#pragma unroll
  for (int k = 0; k < V; ++k) v.at[k] = otherwise;
  return v;
}

// One branch for all the values: the kernels wait for memory, not for it.
template <int V, class T>
__device__ __forceinline__ void activate_all(Activation kind, T parameter, Values<T, V>& v) {
  with_activation(kind, [&]<Activation A>() {
#pragma unroll
    for (int k = 0; k < V; ++k) v.at[k] = activate<A, T>(v.at[k], parameter);
  });
}

// dz = dy act'(y) in place of dy.
template <int V, class T>
__device__ __forceinline__ void gradient_all(Activation kind, T parameter, const Values<T, V>& y, Values<T, V>& dy) {
  with_activation(kind, [&]<Activation A>() {
#pragma unroll
    for (int k = 0; k < V; ++k) dy.at[k] = activate_backward<A, T>(dy.at[k], y.at[k], parameter);
  });
}

}  // namespace fastnn::cuda
