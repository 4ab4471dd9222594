// Parts of an axis, of equal size as far as pixels go.
#pragma once

#include "core/vec.h"
#include "ops/adaptive_avg_pool2d.h"

namespace fastnn::FASTNN_ISA {

struct Part {
  int64_t begin, end;
  FASTNN_MEMBER int64_t size() const { return end - begin; }
};
FASTNN_INLINE Part part(int64_t i, int64_t parts, int64_t size) {
  return {i * size / parts, ((i + 1) * size + parts - 1) / parts};
}
// The parts that hold a pixel: the same formula with the roles exchanged.
FASTNN_INLINE Part parts_of(int64_t pixel, int64_t parts, int64_t size) { return part(pixel, size, parts); }

}  // namespace fastnn::FASTNN_ISA
