// Moving elements between memory layouts.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

// dst, dense in the order of the axes given here, takes src's elements. Strides are in bytes, of any
// sign; src may be unaligned.
template <class T>
struct StridedCopyArgs {
  const char* src;
  T* dst;
  int rank;
  int64_t shape[8];
  int64_t strides[8];
  int width;
};
FASTNN_KERNEL(void, strided_copy, StridedCopyArgs)

}  // namespace fastnn
