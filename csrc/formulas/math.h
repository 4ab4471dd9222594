// Transcendental functions on vectors. Errors are in units in the last place (ULP) of the result.
#pragma once

#include "core/vec_order.h"

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
  // (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2 from the highest power: minimax, error of expm1 1.3e-8
  static constexpr float bend[] = {1.394644458e-3f, 8.366584277e-3f, 4.16662821e-2f, 1.666654299e-1f, 5.000000062e-1f};
};
template <>
struct ExpConstants<double> {
  static constexpr double log2e = 1.44269504088896340736;
  static constexpr double ln2_high = 6.93147180369123816490e-1;
  static constexpr double ln2_low = 1.90821492927058770002e-10;
  static constexpr double round = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double most = 710.0, least = -746.0;
  static constexpr int mantissa = 52, bias = 1023;
  // 1/13!, ..., 1/2!: 0.3466^14 / 14! = 4e-18
  static constexpr double bend[] = {1.605904383682161460e-10, 2.087675698786809898e-9, 2.505210838544171878e-8,
                                    2.755731922398589065e-7,  2.755731922398589065e-6, 2.480158730158730159e-5,
                                    1.984126984126984127e-4,  1.388888888888888889e-3, 8.333333333333333333e-3,
                                    4.166666666666666667e-2,  1.666666666666666667e-1, 0.5};
};

// From the coefficient of the highest power. Each coefficient is a constant expression: code for a GPU
// cannot take the address of the host's table.
template <class T, const auto& kSeries, size_t kFirst = 1>
FASTNN_INLINE Vec<T> horner_from(Vec<T> x, Vec<T> p) {
  if constexpr (kFirst == sizeof(kSeries) / sizeof(T)) {
    return p;
  } else {
    constexpr T coefficient = kSeries[kFirst];
    return horner_from<T, kSeries, kFirst + 1>(x, fma(p, x, splat(coefficient)));
  }
}
template <class T, const auto& kSeries>
FASTNN_INLINE Vec<T> horner(Vec<T> x) {
  constexpr T first = kSeries[0];
  return horner_from<T, kSeries>(x, splat(first));
}

template <class T>
FASTNN_INLINE Vec<T> power_of_two(Vec<Int<T>> n) {
  using C = ExpConstants<T>;
  return bits<T, Int<T>>((n + C::bias) << C::mantissa);
}

// x = n ln 2 + r: gives r and n.
template <class T>
FASTNN_INLINE Vec<T> reduced(Vec<T> x, Vec<Int<T>>& n) {
  using C = ExpConstants<T>;
  const Vec<T> shifted = fma(x, splat(C::log2e), splat(C::round));
  const Vec<T> whole = shifted - C::round;
  n = bits<Int<T>, T>(shifted) - bits<Int<T>, T>(splat(C::round));
  const Vec<T> r = fma(whole, splat(-C::ln2_high), x);
  return fma(whole, splat(-C::ln2_low), r);
}
template <class T>
FASTNN_INLINE Vec<T> expm1_of_reduced(Vec<T> r) {
  return fma(horner<T, ExpConstants<T>::bend>(r) * r, r, r);
}

template <class T>
FASTNN_INLINE Vec<T> clamp_keeping_nan(Vec<T> x, T least, T most) {
  return greater<T>(splat(least), lesser<T>(splat(most), x));
}

template <class T>
FASTNN_INLINE Vec<T> exp(Vec<T> x) {
  using C = ExpConstants<T>;
  x = clamp_keeping_nan<T>(x, C::least, C::most);
  Vec<Int<T>> n;
  const Vec<T> p = expm1_of_reduced<T>(reduced<T>(x, n)) + static_cast<T>(1);
  return scale_by_power<T>(p, n);
}

// exp(x) - 1 for x <= 88 (float) or 709 (double), without cancellation near 0.
template <class T>
FASTNN_INLINE Vec<T> expm1(Vec<T> x) {
  using C = ExpConstants<T>;
  x = clamp_keeping_nan<T>(x, C::least / 2, C::most - 2);
  Vec<Int<T>> n;
  const Vec<T> p = expm1_of_reduced<T>(reduced<T>(x, n));
  const Vec<T> scale = power_of_two<T>(n);
  return select<T>(n == 0, p, fma(p, scale, scale - static_cast<T>(1)));
}

// Of y >= 0.
template <class T>
FASTNN_INLINE Vec<T> with_sign_of(Vec<T> y, Vec<T> x) {
  return bits<T, Int<T>>(bits<Int<T>, T>(y) | (bits<Int<T>, T>(x) & bits<Int<T>, T>(splat(static_cast<T>(-0.0)))));
}

// tanh x = t / (t + 2), t = expm1(2 |x|); beyond 20 it is 1 in both precisions.
template <class T>
FASTNN_INLINE Vec<T> tanh(Vec<T> x) {
  const Vec<T> size = clamp_keeping_nan<T>(abs<T>(x), 0, 20);
  const Vec<T> t = expm1<T>(size + size);
  return with_sign_of<T>(t / (t + static_cast<T>(2)), x);
}

// From exp(-|x|), which cannot overflow.
template <class T>
FASTNN_INLINE Vec<T> sigmoid(Vec<T> x) {
  const Vec<T> e = exp<T>(-abs<T>(x));
  const Vec<T> one = splat(static_cast<T>(1));
  return select<T>(x < 0, e, one) / (one + e);
}

}  // namespace fastnn::FASTNN_ISA
