// Convolutions that are plain products of matrices, pixels by channels: kernels of one pixel over whole images.
#pragma once

#include "ops/conv2d.h"
#include "ops/matmul.h"

namespace fastnn::cuda {

template <class T>
bool is_pointwise(const Conv2dArgs<T>& a) {
  return a.kh == 1 && a.kw == 1 && a.stride_h == 1 && a.stride_w == 1 && a.pad_top == 0 && a.pad_left == 0 &&
         a.oh == a.ih && a.ow == a.iw && a.groups == 1;
}

// y (pixels, co) = x weight^T + bias.
template <class T>
MatmulArgs<T> pointwise_forward(const Conv2dArgs<T>& a) {
  MatmulArgs<T> p{};
  p.m = a.n * a.oh * a.ow, p.n = a.co, p.k = a.ci;
  p.a = a.x, p.a_row = a.ci, p.a_col = 1;
  p.b = a.weight, p.b_row = 1, p.b_col = a.ci;
  p.along_k = true;
  p.bias = a.bias, p.activation = a.activation, p.activation_parameter = a.activation_parameter;
  p.c = a.y, p.workspace = a.workspace;
  return p;
}

// dx (pixels, ci) = dy weight + bias.
template <class T>
MatmulArgs<T> pointwise_input_gradient(const Conv2dArgs<T>& a) {
  MatmulArgs<T> p{};
  p.m = a.n * a.oh * a.ow, p.n = a.ci, p.k = a.co;
  p.a = a.dy, p.a_row = a.co, p.a_col = 1;
  p.b = a.weight, p.b_row = a.ci, p.b_col = 1;
  p.bias = a.bias;
  p.c = a.dx, p.workspace = a.workspace;
  return p;
}

// dweight (co, ci) = dy^T x.
template <class T>
MatmulArgs<T> pointwise_weight_gradient(const Conv2dArgs<T>& a) {
  MatmulArgs<T> p{};
  p.m = a.co, p.n = a.ci, p.k = a.n * a.oh * a.ow;
  p.a = a.dy, p.a_row = 1, p.a_col = a.co;
  p.b = a.x, p.b_row = a.ci, p.b_col = 1;
  p.c = a.dweight, p.workspace = a.workspace;
  return p;
}

}  // namespace fastnn::cuda
