// The loss of one element and its derivative.
#pragma once

#include "formulas/input_activations.h"
#include "ops/elementwise_losses.h"

namespace fastnn::FASTNN_ISA {

template <class T>
struct LossAndSlope {
  Vec<T> loss, slope;
};

template <ElementwiseLoss L, class T>
FASTNN_INLINE LossAndSlope<T> loss_and_slope(Vec<T> x, Vec<T> target, Vec<T> weight, Vec<T> pos_weight, Vec<T> delta) {
  const Vec<T> zero{}, one = splat(static_cast<T>(1)), half = splat(static_cast<T>(0.5));
  const Vec<T> d = x - target, size = abs<T>(d);
  if constexpr (L == ElementwiseLoss::mse) {
    return {d * d, d + d};
  } else if constexpr (L == ElementwiseLoss::l1) {
    return {size, select<T>(d > zero, one, select<T>(d < zero, -one, d))};
  } else if constexpr (L == ElementwiseLoss::huber) {
    const Vec<T> far = select<T>(d < zero, -delta, delta);
    return {select<T>(size > delta, delta * (size - half * delta), half * d * d), select<T>(size > delta, far, d)};
  } else {
    // Both terms are sums of what is not negative, so that nothing cancels.
    const Vec<T> e = exp<T>(-abs<T>(x)), wide = one / (one + e), narrow = e * wide;
    const Vec<T> rest = e * horner<T, Series<T>::log1p>(e);
    const Vec<T> no = one - target, yes = pos_weight * target;
    const Vec<T> above = select<T>(x < zero, zero, x), below = select<T>(x < zero, -x, zero);
    const Vec<T> loss = no * (above + rest) + yes * (below + rest);
    const Vec<T> slope = no * select<T>(x < zero, narrow, wide) - yes * select<T>(x < zero, wide, narrow);
    return {weight * loss, weight * slope};
  }
}

}  // namespace fastnn::FASTNN_ISA
