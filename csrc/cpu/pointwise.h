// 1x1 convolutions of stride 1 without padding: products of matrices with a pixel a row.
#pragma once

#include "cpu/gemm.h"
#include "ops/conv2d.h"

namespace fastnn::FASTNN_ISA {

template <class T>
bool is_pointwise(const Conv2dArgs<T>& a) {
  return a.kh == 1 && a.kw == 1 && a.stride_h == 1 && a.stride_w == 1 && a.pad_top == 0 && a.pad_left == 0 &&
         a.oh == a.ih && a.ow == a.iw && a.groups == 1;
}

template <class T>
struct Pointwise {
  const Conv2dArgs<T>& a;

  Gemm<T> forward() const {
    Gemm<T> g = product(pixels(), a.co, a.ci);
    g.a = {a.x, a.ci, 1};
    g.b = {a.weight, 1, a.ci};
    g.c = a.y;
    g.epilogue = {a.bias, a.activation, a.activation_parameter, a.activation_parameter};
    return planned(g);
  }
  Gemm<T> input_gradient() const {
    Gemm<T> g = product(pixels(), a.ci, a.co);
    g.a = {a.dy, a.co, 1};
    g.b = {a.weight, a.ci, 1};
    g.c = a.dx;
    g.epilogue.bias = a.bias;  // a transposed convolution's
    return planned(g);
  }
  Gemm<T> weight_gradient() const {
    Gemm<T> g = product(a.co, a.ci, pixels());
    g.a = {a.dy, 1, a.co};
    g.b = {a.x, a.ci, 1};
    g.c = a.dweight;
    return planned(g);
  }

 private:
  int64_t pixels() const { return a.n * a.oh * a.ow; }
  Gemm<T> product(int64_t m, int64_t n, int64_t k) const {
    Gemm<T> g{};
    g.m = m, g.n = n, g.k = k, g.c_row = n;
    g.width = a.width;
    g.pairs = a.bfloat16;
    return g;
  }
  static Gemm<T> planned(Gemm<T> g) {
    g.plan();
    return g;
  }
};

}  // namespace fastnn::FASTNN_ISA
