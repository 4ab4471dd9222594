// What the bindings of convolutions share. Weights are read, and their gradients written, in whichever of the two
// orders they lie.
#pragma once

#include "ops/conv2d.h"
#include "python/support/arrays.h"

namespace fastnn {

inline Order weight_order(const View& weight) {
  const Order plain = c_order(4);
  return !weight.is_dense_in(plain) && weight.is_channels_last() ? channels_last_order(4) : plain;
}

inline WeightStrides strides_of(const Shape& s, const Order& order) {
  if (order == c_order(4)) return {s[1] * s[2] * s[3], s[2] * s[3], s[3], 1};
  return {s[1] * s[2] * s[3], 1, s[1] * s[3], s[1]};
}

// Multiply-adds as bytes of traffic, to decide on the GIL.
template <class T>
int64_t cost(const Conv2dArgs<T>& a) {
  return a.n * a.oh * a.ow * a.co + a.n * a.ih * a.iw * a.ci + a.co * a.ci / a.groups * a.kh * a.kw;
}

}  // namespace fastnn
