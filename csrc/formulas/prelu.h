// PReLU's formulas.
#pragma once

#include "core/vec.h"

namespace fastnn::FASTNN_ISA {

template <class T>
FASTNN_INLINE Vec<T> prelu(Vec<T> x, Vec<T> weight) {
  return select<T>(x > 0, x, x * weight);
}
template <class T>
FASTNN_INLINE Vec<T> prelu_slope(Vec<T> dy, Vec<T> x, Vec<T> weight) {
  return select<T>(x > 0, dy, dy * weight);
}
// What dweight is the sum of.
template <class T>
FASTNN_INLINE Vec<T> prelu_weight_term(Vec<T> dy, Vec<T> x) {
  return select<T>(x > 0, Vec<T>{}, dy * x);
}

}  // namespace fastnn::FASTNN_ISA
