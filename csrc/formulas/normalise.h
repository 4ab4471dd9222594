// What the normalisations share: y = act((x - mean) scale + bias + residual) and its gradient.
#pragma once

#include "formulas/activations.h"

namespace fastnn::FASTNN_ISA {

// Whether act'(y) depends on the sign of y alone.
FASTNN_INLINE constexpr bool needs_sign_only(Activation activation) {
  return activation == Activation::relu || activation == Activation::leaky_relu;
}

// Where relu or leaky_relu stands alone behind the normalisation, the sign of its input follows from x by
// the forward's own arithmetic: three operations instead of reading y.
FASTNN_INLINE bool recomputes(Activation activation, bool has_residual) {
  return !has_residual && needs_sign_only(activation);
}

// dx = scale dz + slope c + constant, c being x - mean or xhat.
template <class T>
FASTNN_INLINE Vec<T> normalise_gradient(Vec<T> dz, Vec<T> c, Vec<T> scale, Vec<T> slope, Vec<T> constant) {
  return fma(scale, dz, fma(c, slope, constant));
}

// The sum of squared deviations from the mean, of values that were shifted: their sum, its mean and the sum of
// their squares. Never negative; keeps a NaN.
FASTNN_INLINE double squared_deviations(double sum, double offset, double squares) {
  const double m2 = squares - sum * offset;
  return m2 < 0 ? 0 : m2;
}

}  // namespace fastnn::FASTNN_ISA
