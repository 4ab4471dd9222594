// The correlations that a convolution and its input gradient are made of.
#pragma once

#include "cpu/correlation_weights.h"

namespace fastnn::FASTNN_ISA {

template <class T>
static Correlation<T> forward_correlation(const Conv2dArgs<T>& a, int64_t lanes = 1, Pairing pairing = Pairing::none) {
  Correlation<T> c{};
  c.in = a.x;
  c.n = a.n, c.ih = a.ih, c.iw = a.iw, c.ci = a.ci / a.groups, c.in_pixel = a.ci;
  c.oh = a.oh, c.ow = a.ow;
  c.rows = {a.kh, -a.pad_top, a.dilation_h, a.stride_h, 0, 1};
  c.cols = {a.kw, -a.pad_left, a.dilation_w, a.stride_w, 0, 1};
  c.lanes = lanes;
  c.pairing = pairing;
  c.plan();
  return c;
}

// One for each phase of the stride.
template <class T>
static Correlation<T> gradient_correlation(const Conv2dArgs<T>& a, int64_t phase_h, int64_t phase_w, int64_t lanes = 1,
                                           Pairing pairing = Pairing::none) {
  Correlation<T> c{};
  c.in = a.dy;
  c.n = a.n, c.ih = a.oh, c.iw = a.ow, c.ci = a.co / a.groups, c.in_pixel = a.co;
  c.oh = (a.ih - phase_h + a.stride_h - 1) / a.stride_h;
  c.ow = (a.iw - phase_w + a.stride_w - 1) / a.stride_w;
  c.rows = gradient_taps(phase_h, a.kh, a.stride_h, a.dilation_h, a.pad_top);
  c.cols = gradient_taps(phase_w, a.kw, a.stride_w, a.dilation_w, a.pad_left);
  if (c.rows.count == 0 || c.cols.count == 0) {
    c.rows = {0, 0, 1, 1, 0, 1};
    c.cols = {0, 0, 1, 1, 0, 1};
  }
  c.lanes = lanes;
  c.pairing = pairing;
  c.plan();
  return c;
}

template <class T, class F>
static void for_phases(const Conv2dArgs<T>& a, const F& f) {
  for (int64_t h = 0; h < a.stride_h && h < a.ih; ++h)
    for (int64_t w = 0; w < a.stride_w && w < a.iw; ++w) f(h, w);
}

}  // namespace fastnn::FASTNN_ISA
