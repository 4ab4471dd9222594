// y = act((x - mean) scale + bias + residual) and its gradient on blocks of a (rows, channels) array: batch
// normalisation has one such array, group and instance normalisation one an image. Compiled once for all of them.
#pragma once

#include "cpu/channel_sums.h"
#include "formulas/normalise.h"
#include "ops/batch_norm.h"

namespace fastnn::FASTNN_ISA {

// Strips taken at once: four share the loads of the parameters; where an exponential is computed those
// loads do not show, and four copies of it would only make the code long.
template <Activation A>
inline constexpr int kAtOnce = A == Activation::elu || A == Activation::sigmoid || A == Activation::tanh ? 1 : 4;

// y of a block. ahead: how far on lies what the next blocks need, to be brought to L2 while this block, found there, is
// worked on; 0: x itself comes from memory, and its next page is asked for.
template <class T>
void normalise_block(const BatchNormArgs<T>& a, const Rows<T>& rows, int64_t block, bool streaming, const T* mean,
                     const T* scale, const T* bias, int64_t ahead = 0);

enum class ResidualGradient { none, write, read };

template <class T>
struct NormaliseGradient {
  const BatchNormBackwardArgs<T>& a;
  const Rows<T>& rows;
  T *mean, *scale, *bias, *slope, *constant;
  int64_t distance = kAhead<T>;  // to what apply asks for, into L2

  // Sums of dz = dy * act'(y) and dz (x - mean). stream_residual: streams dresidual = dz on the way, so that the second
  // pass reads it instead of dy and y: for arrays beyond the caches. Within them the write would push out what the
  // second pass needs (measured: 0.6x at 8 MB).
  void sums(int64_t block, double* partial, T* lanes, bool stream_residual) const;

  // dx = scale dz + slope (x - mean) + constant.
  void apply(int64_t block, ResidualGradient residual, bool streaming) const;
};

// body.operator()<activation, recomputes>().
template <class Body>
FASTNN_INLINE void with_gradient(Activation activation, bool has_residual, const Body& body) {
  with_activation(activation, [&]<Activation A>() {
    if constexpr (A == Activation::relu || A == Activation::leaky_relu) {
      if (recomputes(A, has_residual)) return body.template operator()<A, true>();
    }
    body.template operator()<A, false>();
  });
}

}  // namespace fastnn::FASTNN_ISA
