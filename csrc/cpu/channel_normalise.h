// y = act((x - mean) scale + bias + residual) and its gradient on blocks of a (rows, channels) array: batch
// normalisation has one such array, group and instance normalisation one an image. Compiled once for all of them.
#pragma once

#include "core/vec_signs.h"
#include "cpu/channel_sums.h"
#include "formulas/normalise.h"
#include "ops/batch_norm.h"

namespace fastnn::FASTNN_ISA {

// Strips taken at once: four share the loads of the parameters; where an exponential is computed those
// loads do not show, and four copies of it would only make the code long.
template <Activation A>
inline constexpr int kAtOnce = A == Activation::elu || A == Activation::sigmoid || A == Activation::tanh ? 1 : 4;

// Bytes of the signs of y, or 0: strips of whole vectors give every vector a place of its own.
template <class T>
int64_t signs_bytes(const Rows<T>& rows, Activation activation, bool has_residual) {
  if (!has_residual || !needs_sign_only(activation) || rows.length % kLanes<T> != 0) return 0;
  return (rows.rows * rows.channels / kLanes<T> + 1) * static_cast<int64_t>(sizeof(Signs<T>));
}

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

  // Sums of dz = dy * act'(y) and dz (x - mean). stream_residual: streams dresidual = dz on the way.
  void sums(int64_t block, double* partial, T* lanes, bool stream_residual) const;

  // dx = scale dz + slope (x - mean) + constant.
  void apply(int64_t block, ResidualGradient residual, bool streaming) const;
};

// What the derivative of the activation is taken from.
enum class Source { x, signs, y };

// body.operator()<activation, source>().
template <class Args, class Body>
FASTNN_INLINE void with_gradient(const Args& a, const Body& body) {
  with_activation(a.activation, [&]<Activation A>() {
    if constexpr (needs_sign_only(A)) {
      if (recomputes(A, a.has_residual)) return body.template operator()<A, Source::x>();
      if constexpr (requires { a.signs; })
        if (a.signs) return body.template operator()<A, Source::signs>();
    }
    body.template operator()<A, Source::y>();
  });
}

}  // namespace fastnn::FASTNN_ISA
