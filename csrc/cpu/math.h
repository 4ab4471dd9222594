// Transcendental functions on vectors. Errors are in units in the last place (ULP) of the result.
#pragma once

#include "core/vec.h"

namespace fastnn::FASTNN_ISA {

template <class T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
  static constexpr float log2e = 1.44269504088896341f;
  static constexpr float ln2_high = 0.693359375f;  // 9 bits: n * ln2_high is exact
  static constexpr float ln2_low = -2.12194440e-4f;
  static constexpr float round = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  static constexpr float most = 89.0f, least = -104.0f;
  static constexpr int mantissa = 23, bias = 127;
  static constexpr int terms = 7;  // Taylor on |r| <= ln(2)/2: 0.3466^8 / 8! = 5e-9
};
template <>
struct ExpConstants<double> {
  static constexpr double log2e = 1.44269504088896340736;
  static constexpr double ln2_high = 6.93147180369123816490e-1;
  static constexpr double ln2_low = 1.90821492927058770002e-10;
  static constexpr double round = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double most = 710.0, least = -746.0;
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr int terms = 13;  // 0.3466^14 / 14! = 4e-18
};

template <class T>
FASTNN_INLINE Vec<T> power_of_two(Vec<Int<T>> n) {
  using C = ExpConstants<T>;
  return bits<T, Int<T>>((n + C::bias) << C::mantissa);
}

// x = n ln 2 + r; gives expm1(r) and n.
template <class T>
FASTNN_INLINE Vec<T> expm1_reduced(Vec<T> x, Vec<Int<T>>& n) {
  using C = ExpConstants<T>;
  const Vec<T> shifted = fma(x, splat(C::log2e), splat(C::round));
  const Vec<T> whole = shifted - C::round;
  n = bits<Int<T>, T>(shifted) - bits<Int<T>, T>(splat(C::round));
  Vec<T> r = fma(whole, splat(-C::ln2_high), x);
  r = fma(whole, splat(-C::ln2_low), r);
  T inverse_factorial[C::terms + 1];
  T factorial = 1;
#pragma GCC unroll 16
  for (int i = 1; i <= C::terms; ++i) {
    factorial *= static_cast<T>(i);
    inverse_factorial[i] = 1 / factorial;
  }
  Vec<T> p = splat(inverse_factorial[C::terms]);
#pragma GCC unroll 16
  for (int i = C::terms - 1; i >= 2; --i) p = fma(p, r, splat(inverse_factorial[i]));
  return fma(p * r, r, r);
}

template <class T>
FASTNN_INLINE Vec<T> clamp_keeping_nan(Vec<T> x, T least, T most) {
  x = select<T>(x > most, splat(most), x);
  return select<T>(x < least, splat(least), x);
}

template <class T>
FASTNN_INLINE Vec<T> exp(Vec<T> x) {
  using C = ExpConstants<T>;
  x = clamp_keeping_nan<T>(x, C::least, C::most);
  Vec<Int<T>> n;
  const Vec<T> p = expm1_reduced<T>(x, n) + static_cast<T>(1);
  return scale_by_power<T>(p, n);
}

// exp(x) - 1 for x <= 88 (float) or 709 (double), without cancellation near 0.
template <class T>
FASTNN_INLINE Vec<T> expm1(Vec<T> x) {
  using C = ExpConstants<T>;
  x = clamp_keeping_nan<T>(x, C::least / 2, C::most - 2);
  Vec<Int<T>> n;
  const Vec<T> p = expm1_reduced<T>(x, n);
  const Vec<T> scale = power_of_two<T>(n);
  return select<T>(n == 0, p, fma(p, scale, scale - static_cast<T>(1)));
}

// tanh x = t / (t + 2), t = expm1(2 |x|); beyond 20 it is 1 in both precisions.
template <class T>
FASTNN_INLINE Vec<T> tanh(Vec<T> x) {
  const Vec<T> size = clamp_keeping_nan<T>(abs<T>(x), 0, 20);
  const Vec<T> t = expm1<T>(size + size);
  const Vec<T> y = t / (t + static_cast<T>(2));
  return select<T>(x < 0, -y, select<T>(x == 0, x, y));
}

// From exp(-|x|), which cannot overflow.
template <class T>
FASTNN_INLINE Vec<T> sigmoid(Vec<T> x) {
  const Vec<T> e = exp<T>(-abs<T>(x));
  const Vec<T> one = splat(static_cast<T>(1));
  return select<T>(x < 0, e, one) / (one + e);
}

}  // namespace fastnn::FASTNN_ISA
