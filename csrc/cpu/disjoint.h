// The input gradient of a convolution whose windows touch but do not overlap, as in a transposed convolution that
// doubles the image: a pixel of dy times the kernel is a block of dx. A row of dy makes kh rows of dx, each a
// product of matrices whose columns are those of a row of the block.
#pragma once

#include "cpu/gemm.h"
#include "ops/conv2d.h"

namespace fastnn::FASTNN_ISA {

// Rows of dy too short for a few tiles are faster in bands.
template <class T>
bool is_disjoint(const Conv2dArgs<T>& a) {
  return a.groups == 1 && a.dilation_h == 1 && a.dilation_w == 1 && a.kh == a.stride_h && a.kw == a.stride_w &&
         a.pad_top == 0 && a.pad_left == 0 && a.ih == a.oh * a.kh && a.iw == a.ow * a.kw && a.ow >= 16;
}

template <class T>
struct Disjoint {
  const Conv2dArgs<T>& a;  // whose workspace begins with weights() elements: panels for each kh, the weights as
                           // [kh][co][kw][ci], the bias once for each kw

  int64_t columns() const { return a.kw * a.ci; }
  int64_t rows() const { return a.n * a.oh; }
  int64_t matrix() const { return a.co * columns(); }
  int64_t panels() const { return Panels<T>{columns()}.size(a.co); }
  int64_t weights() const { return (a.kh * (matrix() + panels()) + columns() + 15) / 16 * 16; }
  int64_t bytes() const {
    const int64_t shape = rows(), a_step = 0, b_step = 0;
    return weights() * static_cast<int64_t>(sizeof(T)) + product({1, &shape, &a_step, &b_step}, 0).workspace();
  }

  void input_gradient() const {
    T* w = static_cast<T*>(a.workspace);
    pack(w);
    const int64_t shape = rows(), a_step = a.ow * a.co, b_step = 0;
    for (int64_t kh = 0; kh < a.kh; ++kh) product({1, &shape, &a_step, &b_step}, kh).run(w + weights());
  }

  const T* panels_of(int64_t kh) const { return static_cast<const T*>(a.workspace) + kh * panels(); }

  void pack(T* w) const {
    const WeightStrides& s = a.weight_strides;
    parallel_blocks(a.kh, a.width, 8 * a.kh * matrix() * static_cast<int64_t>(sizeof(T)), [&](int64_t kh, int) {
      T* to = w + a.kh * panels() + kh * matrix();
      for (int64_t co = 0; co < a.co; ++co)
        for (int64_t kw = 0; kw < a.kw; ++kw, to += a.ci)
          for (int64_t c = 0; c < a.ci; ++c) to[c] = a.weight[co * s.out + kh * s.kh + kw * s.kw + c * s.in];
      const Matrix<T> b{matrix_of(kh), columns(), 1};
      PanelPacker<T>{b, 0, a.co, 0, columns(), w + kh * panels()}.run();
    });
    T* to = w + a.kh * (panels() + matrix());
    for (int64_t j = 0; a.bias && j < columns(); ++j) to[j] = a.bias[j % a.ci];
  }

 private:
  const T* matrix_of(int64_t kh) const { return panels_of(a.kh) + kh * matrix(); }
  const T* bias() const { return matrix_of(a.kh); }

  Gemm<T> product(const Batch& batch, int64_t kh) const {
    Gemm<T> g{};
    g.m = a.ow, g.n = columns(), g.k = a.co;
    g.a = {a.dy, a.co, 1};
    g.b = {matrix_of(kh), columns(), 1};
    g.panels_b = panels_of(kh);
    g.c = a.dx + kh * a.iw * a.ci;
    g.c_row = columns();
    g.c_matrix = a.kh * a.iw * a.ci;
    if (a.bias) g.epilogue.bias = bias();
    g.width = a.width;
    g.batch = batch;
    g.plan();
    return g;
  }
};

}  // namespace fastnn::FASTNN_ISA
