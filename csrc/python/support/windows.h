// Arguments of the ops that slide windows over images.
#pragma once

#include "python/support/arguments.h"

namespace fastnn {

struct Padding {
  int64_t top, bottom, left, right;
};

// 1, (ph, pw), ((top, bottom), (left, right)), "same" or "valid"; a window spans reach + 1 pixels.
Padding parse_padding(const char* op, py::handle value, Pair stride, Pair reach);

// A pool's windows on images of shape (N, C, H, W), H and W at least 1.
struct Windows {
  Pair kernel, stride, out;
  Padding padding;
};
Windows parse_windows(const char* op, const Shape& shape, py::handle kernel, py::handle stride, py::handle padding,
                      Pair dilation, py::handle ceil_mode);

}  // namespace fastnn
