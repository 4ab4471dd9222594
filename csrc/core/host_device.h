// Marks what both the host and a GPU's threads call. Always inlined: kernels of different instruction sets
// must not share a symbol.
#pragma once

#if defined(__CUDACC__)
#define FASTNN_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define FASTNN_HOST_DEVICE inline __attribute__((always_inline))
#endif
