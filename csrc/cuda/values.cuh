// What a thread takes at once of a row: 16 bytes where the length of the row allows it, else one value.
#pragma once

#include "cuda/elementwise.cuh"
#include "formulas/activations.h"

namespace fastnn::cuda {

// Addresses are checked for 16 bytes.
template <class T, int V>
struct alignas(V * sizeof(T) < 16 ? V * sizeof(T) : 16) Values {
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

// What is read is computed with; half precision is for memory.
template <int V, bool kPacked, class T>
__device__ __forceinline__ Values<Compute<T>, V> read(const T* p) {
  Values<T, V> stored;
  if constexpr (kPacked) {
    stored = *reinterpret_cast<const Values<T, V>*>(p);
  } else {
#pragma unroll
    for (int k = 0; k < V; ++k) stored.at[k] = p[k];
  }
  Values<Compute<T>, V> v;
#pragma unroll
  for (int k = 0; k < V; ++k) v.at[k] = stored.at[k];
  return v;
}

template <bool kPacked, class T, int V>
__device__ __forceinline__ void write(T* p, const Values<Compute<T>, V>& v) {
  Values<T, V> stored;
#pragma unroll
  for (int k = 0; k < V; ++k) stored.at[k] = static_cast<T>(v.at[k]);
  if constexpr (kPacked) {
    *reinterpret_cast<Values<T, V>*>(p) = stored;
  } else {
#pragma unroll
    for (int k = 0; k < V; ++k) p[k] = stored.at[k];
  }
}

// Of an optional array.
template <int V, bool kPacked, class T>
__device__ __forceinline__ Values<Compute<T>, V> read_or(const T* p, int64_t at, int otherwise) {
  if (p) return read<V, kPacked>(p + at);
  Values<Compute<T>, V> v;
#pragma unroll
  for (int k = 0; k < V; ++k) v.at[k] = static_cast<Compute<T>>(otherwise);
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
