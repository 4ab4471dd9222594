// y = x + other, element by element.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

template <class T>
struct AddArgs {
  int64_t n;
  const T* x;
  const T* other;
  T* y;
  int width;
};
FASTNN_KERNEL(void, add, AddArgs)

}  // namespace fastnn
