// Which piece of a maxout wins.
#pragma once

#include "core/vec.h"

namespace fastnn::FASTNN_ISA {

// v comes after best: the first NaN wins, and a tie goes to the first. V: a vector or one lane.
template <class V>
FASTNN_INLINE auto beats(V v, V best) {
  return (v > best) | ((v != v) & (best == best));
}

}  // namespace fastnn::FASTNN_ISA
