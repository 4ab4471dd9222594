// Maxout: the maximum of each `pieces` channels that lie one after another.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

inline constexpr int64_t kMaxPieces = 256;  // their numbers are kept as bytes

template <class T>
struct MaxoutArgs {
  int64_t n, pieces;  // n outputs, from n * pieces inputs
  const T* in;        // x, or dy
  T* out;             // y, or dx
  uint8_t* winners;   // (n,)
  int width;
};
FASTNN_KERNEL(void, maxout_forward, MaxoutArgs)
FASTNN_KERNEL(void, maxout_backward, MaxoutArgs)

}  // namespace fastnn
