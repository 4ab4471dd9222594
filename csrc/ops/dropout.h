// Inverted dropout: y = x * (word >= threshold) * scale, the words of Philox counted by element.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

template <class T>
struct DropoutArgs {
  int64_t n;
  const T* x;
  T* y;
  uint64_t threshold;  // floor(p * 2^32): up to 2^32
  T scale;             // 1 / (1 - p)
  uint64_t seed, offset;
  int width;
};
FASTNN_KERNEL(void, dropout_forward, DropoutArgs)

}  // namespace fastnn
