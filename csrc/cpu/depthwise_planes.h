// Pixels a multiple of 1 KB apart meet in few sets of the L1 cache: sweeps along a row of 512 channels ran at a
// third of their speed. Such bands are first copied to planes, [vector of channels][pixel].
#pragma once

#include "core/vec.h"

namespace fastnn::FASTNN_ISA {

template <class T>
FASTNN_INLINE bool wants_planes(int64_t channels) {
  return channels * static_cast<int64_t>(sizeof(T)) % 1024 == 0;
}

// Elements of a plane; a cache line more, so that the planes themselves do not meet.
template <class T>
FASTNN_INLINE int64_t plane_size(int64_t pixels) {
  return pixels * kLanes<T> + 64 / static_cast<int64_t>(sizeof(T));
}

template <class T>
static void copy_planes(const T* src, int64_t channels, int64_t pixels, int64_t vectors, int64_t plane, T* dst) {
  for (int64_t i = 0; i < pixels; ++i)
    for (int64_t v = 0; v < vectors; ++v)
      store(dst + v * plane + i * kLanes<T>, load(src + i * channels + v * kLanes<T>));
}

}  // namespace fastnn::FASTNN_ISA
