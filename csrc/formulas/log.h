// The logarithm of positive normal numbers, and NaN of NaN.
#pragma once

#include "formulas/math.h"

namespace fastnn::FASTNN_ISA {

// x = m 2^n with m in [1 / sqrt 2, sqrt 2); log m = 2 atanh s, s = (m - 1) / (m + 1), |s| <= 0.1716, by its
// power series s (2 + 2/3 s^2 + ...), cut where a term is below a quarter of an ULP.
template <class T>
FASTNN_INLINE Vec<T> log(Vec<T> x) {
  using C = ExpConstants<T>;
  constexpr int kTerms = sizeof(T) == 4 ? 5 : 11;
  const Vec<Int<T>> n =
      (bits<Int<T>, T>(x) - bits<Int<T>, T>(splat(static_cast<T>(0.70710678118654752440)))) >> C::mantissa;
  const Vec<T> m = bits<T, Int<T>>(bits<Int<T>, T>(x) - (n << C::mantissa));
  const Vec<T> f = m - static_cast<T>(1), s = f / (f + static_cast<T>(2)), z = s * s;
  Vec<T> p = splat(static_cast<T>(2) / (2 * kTerms - 1));
#ifndef __CUDACC__  // which unrolls it unasked
#pragma GCC unroll 16
#endif
  for (int i = kTerms - 2; i >= 0; --i) p = fma(p, z, splat(static_cast<T>(2) / static_cast<T>(2 * i + 1)));
  const Vec<T> whole = to_float<T>(n);
  return fma(whole, splat(C::ln2_high), fma(s, p, whole * C::ln2_low)) + (x - x);
}

}  // namespace fastnn::FASTNN_ISA
