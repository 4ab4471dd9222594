// The machine's limits, measured with the kernels' own means.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

enum class Traffic { read, write, copy, triad };

// `passes` times over n elements, cut into one slice a thread that stays with its thread: a sum of the
// bits of x; dst = 1 + pass; dst = x; dst = x + 2 y. Writes stream past the caches or not.
template <class T>
struct MemoryProbeArgs {
  Traffic traffic;
  int64_t n, passes;
  const T* x;
  const T* y;
  T* dst;
  uint64_t* sums;  // one a thread, of the last pass: modulo 2^32 for float, 2^64 for double
  bool streaming;  // dst is then aligned to 64 bytes
  int width;
};
FASTNN_KERNEL(void, memory_probe, MemoryProbeArgs)

// On every thread `rounds` times 12 x 1024 independent vector FMAs a = a * scale + 1. With scale 1 they count
// themselves: `counted` holds how many each thread did, summed over the lanes, exact up to 2^14 rounds.
template <class T>
struct FmaProbeArgs {
  int64_t rounds;
  T scale;     // 1, which the compiler does not know
  T* counted;  // one a thread
  int width;
};
FASTNN_KERNEL(int64_t, fma_probe, FmaProbeArgs)  // FLOPs of one thread

}  // namespace fastnn
