// The activations' formulas on vectors, shared by every kernel that applies one.
#pragma once

#include "formulas/math.h"
#include "ops/activations.h"

namespace fastnn::FASTNN_ISA {

template <Activation A, class T>
FASTNN_INLINE Vec<T> activate(Vec<T> x, Vec<T> parameter) {
  const Vec<T> zero{};
  if constexpr (A == Activation::relu)
    return select<T>(x <= zero, zero, x);
  else if constexpr (A == Activation::leaky_relu)
    return select<T>(x > zero, x, x * parameter);
  else if constexpr (A == Activation::elu)
    return select<T>(x >= zero, x, parameter * expm1<T>(x));
  else if constexpr (A == Activation::sigmoid)
    return sigmoid<T>(x);
  else if constexpr (A == Activation::tanh)
    return tanh<T>(x);
  else
    return x;
}

// dy * f'(x), f' taken from y = f(x).
template <Activation A, class T>
FASTNN_INLINE Vec<T> activate_backward(Vec<T> dy, Vec<T> y, Vec<T> parameter) {
  const Vec<T> zero{};
  const Vec<T> one = splat(static_cast<T>(1));
  if constexpr (A == Activation::relu)
    return select<T>(y > zero, dy, zero);
  else if constexpr (A == Activation::leaky_relu)
    return select<T>(y > zero, dy, dy * parameter);
  else if constexpr (A == Activation::elu)
    return select<T>(y > zero, dy, dy * (y + parameter));
  else if constexpr (A == Activation::sigmoid)
    return dy * (y * (one - y));
  else if constexpr (A == Activation::tanh)
    return dy * (one - y * y);
  else
    return dy;
}

// d elu / dx from x: alpha exp(x) below 0.
template <class T>
FASTNN_INLINE Vec<T> elu_from_input(Vec<T> dy, Vec<T> x, Vec<T> alpha) {
  return select<T>(x > 0, dy, dy * (alpha * exp<T>(x)));
}

// Calls body.operator()<A>() for the activation that `kind` names.
template <class Body>
FASTNN_INLINE void with_activation(Activation kind, const Body& body) {
  switch (kind) {
    case Activation::none:
      return body.template operator()<Activation::none>();
    case Activation::relu:
      return body.template operator()<Activation::relu>();
    case Activation::leaky_relu:
      return body.template operator()<Activation::leaky_relu>();
    case Activation::elu:
      return body.template operator()<Activation::elu>();
    case Activation::sigmoid:
      return body.template operator()<Activation::sigmoid>();
    case Activation::tanh:
      return body.template operator()<Activation::tanh>();
  }
}

// The activation of a vector in an epilogue, where one predictable branch a vector is free.
template <class T>
FASTNN_INLINE Vec<T> activate_any(Activation kind, Vec<T> x, T leaky_slope, T elu_alpha) {
  switch (kind) {
    case Activation::none:
      return x;
    case Activation::relu:
      return activate<Activation::relu, T>(x, x);
    case Activation::leaky_relu:
      return activate<Activation::leaky_relu, T>(x, splat(leaky_slope));
    case Activation::elu:
      return activate<Activation::elu, T>(x, splat(elu_alpha));
    case Activation::sigmoid:
      return activate<Activation::sigmoid, T>(x, x);
    case Activation::tanh:
      return activate<Activation::tanh, T>(x, x);
  }
  return x;
}

}  // namespace fastnn::FASTNN_ISA
