// y = act((x - mean) scale + bias + residual) and its gradient on blocks of a (rows, channels) array: batch
// normalisation has one such array, group and instance normalisation one an image.
#pragma once

#include "cpu/channel_sums.h"
#include "formulas/normalise.h"
#include "ops/batch_norm.h"

namespace fastnn::FASTNN_ISA {

// Strips taken at once: four share the loads of the parameters; where an exponential is computed those
// loads do not show, and four copies of it would only make the code long.
template <Activation A>
inline constexpr int kAtOnce = A == Activation::elu || A == Activation::sigmoid || A == Activation::tanh ? 1 : 4;

// ahead: how far on lies what the next blocks need, to be brought to L2 while this block, found there, is worked on;
// 0: x itself comes from memory, and its next page is asked for. Beside streaming stores into L1 (measured in
// evaluation: 1.05 times a copy's time, L2 1.25; without them L2 1.1, L1 1.5).
template <class T, Activation A, bool kResidual>
void normalise_block(const BatchNormArgs<T>& a, const Rows<T>& rows, int64_t block, bool streaming, const T* mean,
                     const T* scale, const T* bias, int64_t ahead = 0) {
  const Vec<T> parameter = splat(a.activation_parameter);
  auto strips = [&]<int R, bool kWhole>(int64_t offset, int64_t lane, int64_t n) {
    const Vec<T> m = load_some<kWhole>(mean + lane, n), s = load_some<kWhole>(scale + lane, n),
                 b = load_some<kWhole>(bias + lane, n);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const int64_t at = offset + r * rows.length;
      if (streaming && !ahead)
        prefetch(a.x + at + kAhead<T>);
      else
        prefetch_l2(a.x + at + (ahead ? ahead : kAhead<T>));
      if constexpr (kResidual) prefetch_l2(a.residual + at + kAhead<T>);
      Vec<T> z = fma(load_some<kWhole>(a.x + at, n) - m, s, b);
      if constexpr (kResidual) z += load_some<kWhole>(a.residual + at, n);
      put_some<kWhole>(a.y + at, activate<A, T>(z, parameter), n, streaming);
    }
  };
  if (rows.length > 4 * kLanes<T>)
    rows.template sweep_block<1>(block, strips);
  else
    rows.template sweep_block<kAtOnce<A>>(block, strips);
  if (streaming) stream_fence();
}

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

enum class ResidualGradient { none, write, read };

template <class T, Activation A, bool kRecompute>
struct NormaliseGradient {
  const BatchNormBackwardArgs<T>& a;
  const Rows<T>& rows;
  T *mean, *scale, *bias, *slope, *constant;
  int64_t distance = kAhead<T>;  // to what apply asks for, into L2

  // dz = dy * act'(y).
  template <bool kWhole>
  FASTNN_MEMBER Vec<T> gradient(int64_t at, int64_t lane, int64_t n, Vec<T> centred) const {
    const Vec<T> dy = load_some<kWhole>(a.dy + at, n);
    if constexpr (A == Activation::none) return dy;
    const Vec<T> parameter = splat(a.activation_parameter);
    const Vec<T> y = kRecompute ? fma(centred, load_some<kWhole>(scale + lane, n), load_some<kWhole>(bias + lane, n))
                                : load_some<kWhole>(a.y + at, n);
    return activate_backward<A, T>(dy, y, parameter);
  }

  // Sums of dz and dz (x - mean). kResidual streams dresidual = dz on the way, so that the second pass reads it
  // instead of dy and y: for arrays beyond the caches. Within them the write would push out what the second
  // pass needs (measured: 0.6x at 8 MB).
  template <bool kResidual>
  void sums(int64_t block, double* partial, T* lanes) const {
    sum_block(
        rows, block, lanes, partial + block * 2 * rows.channels, [](int64_t, T*) {},
        [&]<bool kWhole>(int64_t at, int64_t lane, int64_t n, const T*, int64_t ahead, Vec<T>& sum, Vec<T>& product) {
          prefetch_l2(a.x + ahead);
          prefetch_l2(a.dy + ahead);
          const Vec<T> centred = load_some<kWhole>(a.x + at, n) - load_some<kWhole>(mean + lane, n);
          const Vec<T> dz = gradient<kWhole>(at, lane, n, centred);
          if constexpr (kResidual) put_some<kWhole>(a.dresidual + at, dz, n, true);
          sum += dz;
          product = fma(dz, centred, product);
        });
  }

  // dx = scale dz + slope (x - mean) + constant.
  template <ResidualGradient kResidual>
  void apply(int64_t block, bool streaming) const {
    // One strip after the other: three arrays at four places each ran at 80 % of this.
    rows.template sweep_block<1>(block, [&]<int, bool kWhole>(int64_t at, int64_t lane, int64_t n) {
      const T* source = kResidual == ResidualGradient::read ? a.dresidual : a.dy;
      prefetch_l2(a.x + at + distance);
      prefetch_l2(source + at + distance);
      const Vec<T> centred = load_some<kWhole>(a.x + at, n) - load_some<kWhole>(mean + lane, n);
      Vec<T> dz;
      if constexpr (kResidual == ResidualGradient::read)
        dz = load_some<kWhole>(source + at, n);
      else
        dz = gradient<kWhole>(at, lane, n, centred);
      if constexpr (kResidual == ResidualGradient::write) put_some<kWhole>(a.dresidual + at, dz, n, streaming);
      const Vec<T> dx =
          normalise_gradient<T>(dz, centred, load_some<kWhole>(scale + lane, n), load_some<kWhole>(slope + lane, n),
                                load_some<kWhole>(constant + lane, n));
      put_some<kWhole>(a.dx + at, dx, n, streaming);
    });
    if (streaming) stream_fence();
  }
};

}  // namespace fastnn::FASTNN_ISA
