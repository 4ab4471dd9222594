// Where the windows of fractional max pooling start.
#pragma once

#include "core/philox.h"
#include "core/vec.h"
#include "ops/fractional_max_pool2d.h"

namespace fastnn::FASTNN_ISA {

// An image's random number in [0, 1) for its rows (axis 0) or columns (1): that of element 2 image + axis.
template <class T>
FASTNN_INLINE double image_uniform(const FractionalMaxPool2dArgs<T>& a, int64_t image, int axis) {
  const uint64_t element = a.offset + 2 * static_cast<uint64_t>(image) + static_cast<uint64_t>(axis);
  const uint64_t block = element / 4 + (element < a.offset ? uint64_t{1} << 62 : 0);  // beyond 2^64 it carries
  const uint32_t counter[4] = {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0};
  uint32_t words[4];
  Philox::block(counter, static_cast<uint32_t>(a.seed), static_cast<uint32_t>(a.seed >> 32), words);
  return static_cast<double>(words[element % 4]) / 4294967296.0;
}

// Steps of floor or ceil of alpha in a pseudo-random order.
FASTNN_INLINE int64_t window_start(int64_t i, int64_t size, int64_t kernel, int64_t windows, double u) {
  if (i + 1 == windows) return size - kernel;
  const double alpha = static_cast<double>(size - kernel) / static_cast<double>(windows - 1);
  return static_cast<int64_t>((static_cast<double>(i) + u) * alpha) - static_cast<int64_t>(u * alpha);
}

}  // namespace fastnn::FASTNN_ISA
