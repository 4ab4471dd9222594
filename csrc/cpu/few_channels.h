// The input gradient of a convolution of few channels, as of images. Its sums for a pixel would fill 3 of 16 lanes;
// instead a row of dy times the weights of a kernel row, whose columns (kw, ci) fill them, gives what each pixel of dy
// adds to neighbours in a row of dx.
#pragma once

#include "cpu/disjoint.h"

namespace fastnn::FASTNN_ISA {

template <class T>
struct FewChannels {
  static constexpr int64_t kL = kLanes<T>;
  const Conv2dArgs<T>& a;

  bool pays() const { return a.groups == 1 && a.dilation_w == 1 && a.ci <= 4 && a.kw > 1 && a.co >= 8; }
  int64_t bytes() const { return (taps().weights() + a.width * scratch()) * static_cast<int64_t>(sizeof(T)); }

  void input_gradient() const {
    T* packed = static_cast<T*>(a.workspace);
    taps().pack(packed);
    const int64_t cost = a.n * (a.oh * a.ow * a.co * a.kh * columns() / 8 + a.ih * a.iw * a.ci);
    parallel_blocks(a.n * a.ih, a.width, cost, [&](int64_t task, int worker) {
      T* sums = packed + taps().weights() + worker * scratch();
      T* products = sums + line();
      const int64_t image = task / a.ih, row = task % a.ih;
      for (int64_t i = 0; i < line(); i += kL) store(sums + i, Vec<T>{});
      for (int64_t kh = 0; kh < a.kh; ++kh) {
        const int64_t at = row + a.pad_top - kh * a.dilation_h;
        if (at < 0 || at % a.stride_h != 0 || at / a.stride_h >= a.oh) continue;
        multiply(a.dy + (image * a.oh + at / a.stride_h) * a.ow * a.co, kh, products);
        add(products, sums);
      }
      const T* from = sums + a.pad_left * a.ci;
      T* dx = a.dx + task * a.iw * a.ci;
      for (int64_t i = 0; i < a.iw * a.ci; ++i) dx[i] = a.bias ? from[i] + a.bias[i % a.ci] : from[i];
    });
  }

 private:
  Disjoint<T> taps() const { return {a}; }
  int64_t columns() const { return taps().columns(); }
  // A row of dx with its padding, and room for a vector behind it.
  int64_t line() const {
    const int64_t reached = (a.ow - 1) * a.stride_w + a.kw, kept = a.pad_left + a.iw;
    return ((reached > kept ? reached : kept) * a.ci + 2 * kL - 1) / kL * kL;
  }
  int64_t scratch() const { return (line() + Panels<T>{columns()}.size(a.ow) + 15) / 16 * 16; }

  // A row of dy times the weights of kernel row kh, panel by panel.
  void multiply(const T* dy, int64_t kh, T* products) const {
    const Panels<T> panels{columns()};
    const Segment all{0, 0, a.co};
    TileArgs<T> t{};
    t.a_row = a.co;
    t.segments = &all, t.count = 1;
    for (int64_t p = 0; p < panels.count(); ++p) {
      const int vectors = panels.vectors(p);
      t.b = taps().panels_of(kh) + panels.offset(p, a.co);
      t.c_row = t.cols = panels.width(p);
      const Pieces tiles(a.ow, kMaxRows[vectors]);
      for (int64_t k = 0; k < tiles.count; ++k) {
        t.a = dy + tiles.begin(k) * a.co;
        t.c = products + panels.offset(p, a.ow) + tiles.begin(k) * t.c_row;
        tile_for<T>(Walk::any_rows, tiles.size(k), vectors)(t);
      }
    }
  }

  // Neighbours overlap: every `apart`-th pixel in turn, so that no sum is loaded right after its store.
  void add(const T* products, T* sums) const {
    const Panels<T> panels{columns()};
    const int64_t step = a.stride_w * a.ci, apart = columns() / step + 1;
    for (int64_t first = 0; first < apart; ++first)
      for (int64_t p = 0; p < panels.count(); ++p) {
        const int64_t width = panels.width(p), valid = panels.valid(p);
        for (int64_t j = first; j < a.ow; j += apart)
          for (int64_t v = 0; v < valid; v += kL) {
            const int64_t n = valid - v < kL ? valid - v : kL;
            T* to = sums + j * step + p * Panels<T>::kWide + v;
            store_n(to, load_n(to, n) + load(products + panels.offset(p, a.ow) + j * width + v), n);
          }
      }
  }
};

}  // namespace fastnn::FASTNN_ISA
