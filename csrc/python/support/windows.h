// Arguments of the ops that slide windows over images.
#pragma once

#include "python/support/arguments.h"

namespace fastnn {

struct Padding {
  int64_t top, bottom, left, right;
};

// 1, (ph, pw), ((top, bottom), (left, right)), "same" or "valid"; a window spans reach + 1 pixels.
Padding parse_padding(const char* op, py::handle value, Pair stride, Pair reach);

}  // namespace fastnn
