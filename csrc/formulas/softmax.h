// The formulas of softmax and log_softmax, from a row's statistics: its maximum `top` and the sum of
// exp(x - top), or the sum of the gradient's terms.
#pragma once

#include "formulas/log.h"

namespace fastnn::FASTNN_ISA {

template <class T>
inline constexpr T kLowest = -static_cast<T>(__builtin_inf());

// NaN need not win: it makes the sum NaN and with it the row.
template <class T>
FASTNN_INLINE Vec<T> larger(Vec<T> a, Vec<T> b) {
  return select<T>(a > b, a, b);
}

template <bool kLog, class T>
FASTNN_INLINE Vec<T> factor_of(Vec<T> sum) {
  return kLog ? log<T>(sum) : static_cast<T>(1) / sum;
}
template <bool kLog, class T>
FASTNN_INLINE Vec<T> gradient_term(Vec<T> dy, Vec<T> y) {
  return kLog ? dy : dy * y;
}
template <bool kLog, class T>
FASTNN_INLINE Vec<T> gradient(Vec<T> dy, Vec<T> y, Vec<T> sum) {
  return kLog ? dy - exp<T>(y) * sum : y * (dy - sum);
}

}  // namespace fastnn::FASTNN_ISA
