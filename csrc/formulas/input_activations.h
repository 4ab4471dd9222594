// The formulas of the activations that are differentiated from their input.
//
// Each is built on e = exp(-z), z >= 0, kept apart as p 2^n: a product with e is then rounded once, also
// where e alone would already be a denormal number and have lost its digits.
#pragma once

#include "formulas/math.h"
#include "ops/input_activations.h"

namespace fastnn::FASTNN_ISA {

// exp(-(z + low) / 2) = p 2^n, |low| being below one ULP of z; z in [0, 1600] (double) or [0, 260] (float).
template <class T>
FASTNN_INLINE Vec<T> half_exp_parts(Vec<T> z, Vec<T> low, Vec<Int<T>>& n) {
  const Vec<T> half = splat(static_cast<T>(-0.5));
  return expm1_of_reduced<T>(fma(low, half, reduced<T>(z * half, n))) + static_cast<T>(1);
}
template <class T>
FASTNN_INLINE Vec<T> exp_parts(Vec<T> x, Vec<Int<T>>& n) {
  return expm1_of_reduced<T>(reduced<T>(x, n)) + static_cast<T>(1);
}

// Coefficients from the highest power: Chebyshev interpolation (mpmath, 60 digits) of
//   tail(t) = (a + 4) erfc(a / sqrt 2) exp(a^2 / 2) / 2, t = (a - 4) / (a + 4), a in [0, 15] or [0, 40],
//   log1p(x) / x on [0, 1].
template <class T>
struct Series;
template <>
struct Series<float> {
  static constexpr float tail[] = {-1.255583856e-4f, 1.889965194e-4f, 1.566881688e-3f,  -3.520972824e-3f,
                                   -7.525402418e-3f, 6.040618551e-2f, -1.865233068e-1f, 3.871366831e-1f,
                                   -6.078965941e-1f, 7.552851386e-1f};  // relative error 1.4e-8
  static constexpr float log1p[] = {-3.176057018e-3f, 1.954252726e-2f, -5.637361283e-2f, 1.05436238e-1f,
                                    -1.526966707e-1f, 1.966327426e-1f, -2.495161626e-1f, 3.33297105e-1f,
                                    -4.999989265e-1f, 9.999999947e-1f};  // 5.4e-9
  static constexpr float normal_limit = 15, gate_limit = 120, tanh_limit = 11.5f;
};
template <>
struct Series<double> {
  static constexpr double tail[] = {
      -9.990624160023276e-10,   -1.015295717649617974e-11, 1.397652815595082183e-8, 1.484239007275134311e-8,
      -7.634712843441086085e-8, -1.546196819122191875e-7,  2.635431056068445412e-7, 1.020071339256846448e-6,
      -6.249906995369785213e-7, -5.919013186154044123e-6,  7.149308325478400894e-7, 3.514421496825780363e-5,
      -1.907843405924870529e-6, -2.3109482414997104e-4,    1.333442497835842819e-4, 1.630818442480588565e-3,
      -3.479692361804059562e-3, -7.540188965625016837e-3,  6.039657489067665436e-2, -1.865218579596933923e-1,
      3.871374007422193352e-1,  -6.078966419718917642e-1,  7.552851304157514784e-1};  // 3.8e-17
  static constexpr double log1p[] = {
      2.443797394858094711e-5, -2.827421139374107165e-4, 1.553524403433433362e-3, -5.421733991001609659e-3,
      1.359877809061725369e-2, -2.639877948074321718e-2, 4.19257098539041573e-2,  -5.718978534193905859e-2,
      7.01529623652647141e-2,  -8.070954578430205831e-2, 9.009095815198632451e-2, -9.979768096586568333e-2,
      1.110721158529953785e-1, -1.249942706351438113e-1, 1.428565197527592618e-1, -1.666666184824853863e-1,
      1.999999974985652281e-1, -2.499999999200952343e-1, 3.333333333319752522e-1, -4.999999999999907897e-1,
      9.999999999999999896e-1};  // 1.1e-17
  static constexpr double normal_limit = 39.5, gate_limit = 760, tanh_limit = 22;
};

// min(|x|, most); NaN stays.
template <class T>
FASTNN_INLINE Vec<T> size_up_to(Vec<T> x, T most) {
  return lesser<T>(splat(most), abs<T>(x));
}

// Phi(-a) = g p 2^n for the standard normal distribution function Phi, exp(-a^2 / 2) = p 2^n.
template <class T>
struct NormalTail {
  Vec<T> g, p;
  Vec<Int<T>> n;
  FASTNN_MEMBER explicit NormalTail(Vec<T> a) {
    const Vec<T> square = a * a;
    p = half_exp_parts<T>(square, square_rest(a, square), n);
    const Vec<T> r = static_cast<T>(1) / (a + static_cast<T>(4));
    const Vec<T> t = fma(a + a, r, splat(static_cast<T>(-1)));  // half an ULP of 1 at a = 0
    g = horner<T, Series<T>::tail>(t) * r;
  }

 private:
  // a^2 - square: the square's rounding would be a^2 / 2 ULP of p.
  static FASTNN_MEMBER Vec<T> square_rest(Vec<T> a, Vec<T> square) {
    if constexpr (kFusedMultiplyAdd) return fma(a, a, -square);
    constexpr Int<T> kHigh = ~((Int<T>{1} << (sizeof(T) == 4 ? 12 : 27)) - 1);  // half of a's digits
    const Vec<T> high = bits<T, Int<T>>(bits<Int<T>, T>(a) & kHigh);
    return (high * high - square) + (a - high) * (a + high);
  }
};

// x Phi(x). Above 0 it is x - x Phi(-x).
template <class T>
FASTNN_INLINE Vec<T> gelu(Vec<T> x) {
  const Vec<T> a = size_up_to<T>(x, Series<T>::normal_limit);
  const NormalTail<T> tail(a);
  const Vec<T> part = scale_by_power<T>(a * tail.g * tail.p, tail.n);
  return select<T>(x < 0, splat(static_cast<T>(-0.0)), x) - part;
}

// Phi(x) + x phi(x).
template <class T>
FASTNN_INLINE Vec<T> gelu_slope(Vec<T> x) {
  constexpr T kRootTwoPi = static_cast<T>(0.39894228040143267794);  // 1 / sqrt(2 pi)
  const Vec<T> a = size_up_to<T>(x, Series<T>::normal_limit);
  const NormalTail<T> tail(a);
  const Vec<T> d = scale_by_power<T>((tail.g - a * kRootTwoPi) * tail.p, tail.n);
  return select<T>(x < 0, d, static_cast<T>(1) - d);
}

// x sigmoid(z) with z of the sign of x, from a = min(|x|, limit) and |z| = z(a).
template <class T>
FASTNN_INLINE Vec<T> gated(Vec<T> x, Vec<T> a, Vec<T> z) {
  Vec<Int<T>> n;
  const Vec<T> p = exp_parts<T>(-z, n);
  const Vec<T> scaled = scale_by_power<T>(p, n) + static_cast<T>(1);
  const Vec<T> y = select<T>(x < 0, -(a * p), x) / scaled;
  const Vec<Int<T>> none{};
  return scale_by_power<T>(y, x < 0 ? n : none);
}

// Its derivative, s + x s (1 - s) dz/dx.
template <class T>
FASTNN_INLINE Vec<T> gated_slope(Vec<T> x, Vec<T> a, Vec<T> z, Vec<T> dz) {
  Vec<Int<T>> n;
  const Vec<T> p = exp_parts<T>(-z, n);
  const Vec<T> e = scale_by_power<T>(p, n);
  const Vec<T> s = static_cast<T>(1) / (e + static_cast<T>(1)), rest = e * s;
  const Vec<T> bend = a * dz * s * rest;
  return select<T>(x < 0, rest - bend, s + bend);
}

// gelu(approximate="tanh") is x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
template <class T>
struct TanhGate {
  static constexpr T linear = static_cast<T>(1.59576912160573071176), cubic = static_cast<T>(0.0713548162726002487763);
  static FASTNN_MEMBER Vec<T> value(Vec<T> a) { return a * fma(a * a, splat(cubic), splat(linear)); }
  static FASTNN_MEMBER Vec<T> slope(Vec<T> a) { return fma(a * a, splat(3 * cubic), splat(linear)); }
};

// log(1 + exp(z)) = max(z, 0) + log1p(exp(-|z|)).
template <class T>
FASTNN_INLINE Vec<T> log1p_exp(Vec<T> z) {
  const Vec<T> e = exp<T>(-abs<T>(z));
  const Vec<T> rest = e * horner<T, Series<T>::log1p>(e);
  return greater<T>(Vec<T>{}, z) + rest;
}

template <class T>
struct Selu {
  static constexpr T scale = static_cast<T>(1.0507009873554804934), negative = static_cast<T>(1.7580993408473766);
};

template <InputActivation A, class T>
FASTNN_INLINE Vec<T> activate_input(Vec<T> x, Vec<T> beta, Vec<T> threshold) {
  using L = Series<T>;
  const Vec<T> zero{};
  if constexpr (A == InputActivation::selu) {
    return select<T>(x >= zero, x * Selu<T>::scale, expm1<T>(x) * Selu<T>::negative);
  } else if constexpr (A == InputActivation::gelu) {
    return gelu<T>(x);
  } else if constexpr (A == InputActivation::gelu_tanh) {
    const Vec<T> a = size_up_to<T>(x, L::tanh_limit);
    return gated<T>(x, a, TanhGate<T>::value(a));
  } else if constexpr (A == InputActivation::silu) {
    const Vec<T> a = size_up_to<T>(x, L::gate_limit);
    return gated<T>(x, a, a);
  } else if constexpr (A == InputActivation::softplus) {
    const Vec<T> z = x * beta;
    return select<T>(z > threshold, x, log1p_exp<T>(z) * (static_cast<T>(1) / beta));
  } else {
    const Vec<T> y = x * (x + static_cast<T>(3)) * static_cast<T>(1.0 / 6);
    return select<T>(x >= 3, x, select<T>(x <= -3, zero, y));
  }
}

// The derivative.
template <InputActivation A, class T>
FASTNN_INLINE Vec<T> input_slope(Vec<T> x, Vec<T> beta, Vec<T> threshold) {
  using L = Series<T>;
  const Vec<T> one = splat(static_cast<T>(1));
  if constexpr (A == InputActivation::selu) {
    return select<T>(x > 0, splat(Selu<T>::scale), exp<T>(x) * Selu<T>::negative);
  } else if constexpr (A == InputActivation::gelu) {
    return gelu_slope<T>(x);
  } else if constexpr (A == InputActivation::gelu_tanh) {
    const Vec<T> a = size_up_to<T>(x, L::tanh_limit);
    return gated_slope<T>(x, a, TanhGate<T>::value(a), TanhGate<T>::slope(a));
  } else if constexpr (A == InputActivation::silu) {
    const Vec<T> a = size_up_to<T>(x, L::gate_limit);
    return gated_slope<T>(x, a, a, one);
  } else if constexpr (A == InputActivation::softplus) {
    const Vec<T> z = x * beta;
    return select<T>(z > threshold, one, sigmoid<T>(z));
  } else {
    const Vec<T> slope = x / static_cast<T>(3) + static_cast<T>(0.5);
    return select<T>(x >= 3, one, select<T>(x <= -3, Vec<T>{}, slope));
  }
}

}  // namespace fastnn::FASTNN_ISA
