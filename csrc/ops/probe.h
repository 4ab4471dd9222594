// The machine's two limits, measured with the kernels' own means.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

// dst = src, streamed past the caches or not: the most that a memory-bound kernel can reach.
template <class T>
struct CopyProbeArgs {
  int64_t n;
  const T* src;
  T* dst;
  bool streaming;
  int width;
};
FASTNN_KERNEL(void, copy_probe, CopyProbeArgs)

// `rounds` times 64 independent vector FMAs on every thread; result keeps them from being removed.
template <class T>
struct FmaProbeArgs {
  int64_t rounds;
  T* result;  // one element a thread
  int width;
};
FASTNN_KERNEL(int64_t, fma_probe, FmaProbeArgs)  // FLOPs of one thread

}  // namespace fastnn
