// The logarithm of positive normal numbers, and NaN of NaN.
#pragma once

#include "formulas/math.h"

namespace fastnn::FASTNN_ISA {

// 2 / (2 i + 1) from the highest i.
template <class T>
struct LogSeries;
template <>
struct LogSeries<float> {
  static constexpr float terms[] = {2.0f / 9, 2.0f / 7, 2.0f / 5, 2.0f / 3, 2};
};
template <>
struct LogSeries<double> {
  static constexpr double terms[] = {2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13, 2.0 / 11,
                                     2.0 / 9,  2.0 / 7,  2.0 / 5,  2.0 / 3,  2};
};

// x = m 2^n with m in [1 / sqrt 2, sqrt 2); log m = 2 atanh s, s = (m - 1) / (m + 1), |s| <= 0.1716, by its
// power series s (2 + 2/3 s^2 + ...), cut where a term is below a quarter of an ULP.
template <class T>
FASTNN_INLINE Vec<T> log(Vec<T> x) {
  using C = ExpConstants<T>;
  const Vec<Int<T>> n =
      (bits<Int<T>, T>(x) - bits<Int<T>, T>(splat(static_cast<T>(0.70710678118654752440)))) >> C::mantissa;
  const Vec<T> m = bits<T, Int<T>>(bits<Int<T>, T>(x) - (n << C::mantissa));
  const Vec<T> f = m - static_cast<T>(1), s = f / (f + static_cast<T>(2)), z = s * s;
  const Vec<T> p = horner<T, LogSeries<T>::terms>(z);
  const Vec<T> whole = to_float<T>(n);
  return fma(whole, splat(C::ln2_high), fma(s, p, whole * C::ln2_low)) + (x - x);
}

}  // namespace fastnn::FASTNN_ISA
