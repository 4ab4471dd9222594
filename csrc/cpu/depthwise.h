// Depthwise convolution: one filter a channel, so vectors run along the channels and nothing is packed but
// the weights, as [kh][kw][channel].
#pragma once

#include "core/parallel.h"
#include "cpu/elementwise.h"
#include "cpu/tile.h"
#include "ops/conv2d.h"

namespace fastnn::FASTNN_ISA {

template <class T>
FASTNN_INLINE bool is_depthwise(const Conv2dArgs<T>& a) {
  return a.groups > 1 && a.groups == a.ci && a.groups == a.co;
}

template <class T>
struct Depthwise {
  static constexpr int64_t kW = kLanes<T>;
  static constexpr int64_t kPieces = 16;  // sums of the weight gradient, added in order
  Conv2dArgs<T> a;

  int64_t taps() const { return a.kh * a.kw; }
  Pieces pieces() const { return Pieces(a.n * a.oh, (a.n * a.oh + kPieces - 1) / kPieces + (a.n * a.oh == 0)); }
  int64_t forward_bytes() const { return taps() * a.ci * static_cast<int64_t>(sizeof(T)); }
  int64_t gradient_bytes() const { return pieces().count * forward_bytes(); }
  int64_t cost() const { return a.n * a.oh * a.ow * a.ci * (taps() + 1); }

  void pack(T* w, bool turned = false) const {
    for (int64_t k = 0; k < taps(); ++k)
      for (int64_t c = 0; c < a.ci; ++c)
        w[(turned ? taps() - 1 - k : k) * a.ci + c] =
            a.weight[c * a.weight_strides.out + k / a.kw * a.weight_strides.kh + k % a.kw * a.weight_strides.kw];
  }

  // f.operator()<whole>(channel, n): a vector of n channels.
  template <class F>
  FASTNN_MEMBER void for_channels(const F& f) const {
    int64_t c = 0;
    for (; c + kW <= a.ci; c += kW) f.template operator()<true>(c, kW);
    if (c < a.ci) f.template operator()<false>(c, a.ci - c);
  }
  template <bool kWhole>
  FASTNN_MEMBER static Vec<T> get(const T* p, int64_t n) {
    return kWhole ? load(p) : load_n(p, n);
  }
  template <bool kWhole>
  FASTNN_MEMBER static void set(T* p, Vec<T> v, int64_t n) {
    kWhole ? store(p, v) : store_n(p, v, n);
  }

  void forward() const {
    T* w = static_cast<T*>(a.workspace);
    pack(w);
    correlate({a.x, a.ih, a.iw, a.y, a.oh, a.ow, a.stride_h, a.stride_w, a.pad_top, a.pad_left}, w, true);
  }

  struct Grid {
    const T* in;
    int64_t ih, iw;
    T* out;
    int64_t oh, ow, stride_h, stride_w, pad_top, pad_left;
  };

  // kPixels outputs from column ow on, all of whose columns of taps are inside; the rows [first, last) are.
  template <bool kWhole, int kPixels>
  FASTNN_MEMBER void inside(const Grid& g, const T* x, T* y, int64_t ow, int64_t first, int64_t last, int64_t c,
                            int64_t n, const T* w, bool epilogue) const {
    Vec<T> sum[kPixels];
#pragma GCC unroll 4
    for (int p = 0; p < kPixels; ++p) sum[p] = epilogue && a.bias ? get<kWhole>(a.bias + c, n) : Vec<T>{};
    for (int64_t i = first; i < last; ++i)
      for (int64_t j = 0; j < a.kw; ++j) {
        const T* at =
            x + ((i - first) * a.dilation_h * g.iw + ow * g.stride_w - g.pad_left + j * a.dilation_w) * a.ci + c;
        const Vec<T> weight = get<kWhole>(w + (i * a.kw + j) * a.ci + c, n);
#pragma GCC unroll 4
        for (int p = 0; p < kPixels; ++p) sum[p] = fma(get<kWhole>(at + p * g.stride_w * a.ci, n), weight, sum[p]);
      }
#pragma GCC unroll 4
    for (int p = 0; p < kPixels; ++p) {
      if (epilogue && a.activation != Activation::none)
        sum[p] = activate_any<T>(a.activation, sum[p], a.activation_parameter, a.activation_parameter);
      set<kWhole>(y + (ow + p) * a.ci + c, sum[p], n);
    }
  }

  void correlate(const Grid& g, const T* w, bool epilogue) const {
    const int64_t reach = (a.kw - 1) * a.dilation_w;
    // Outputs [begin, end) of a row have every column of taps inside.
    int64_t begin = g.pad_left > 0 ? (g.pad_left + g.stride_w - 1) / g.stride_w : 0;
    int64_t end = g.iw - 1 - reach + g.pad_left >= 0 ? (g.iw - 1 - reach + g.pad_left) / g.stride_w + 1 : 0;
    begin = begin < g.ow ? begin : g.ow;
    end = end < g.ow ? end : g.ow;
    if (end < begin) end = begin;
    parallel_blocks(a.n * g.oh, a.width, cost(), [&, begin, end](int64_t block, int) {
      const int64_t image = block / g.oh, top = block % g.oh * g.stride_h - g.pad_top;
      const T* x = g.in + image * g.ih * g.iw * a.ci;
      T* y = g.out + block * g.ow * a.ci;
      int64_t first = 0, last = a.kh;
      while (first < last && top + first * a.dilation_h < 0) ++first;
      while (last > first && top + (last - 1) * a.dilation_h >= g.ih) --last;
      const T* rows = x + (top + first * a.dilation_h) * g.iw * a.ci;
      for_channels([&]<bool kWhole>(int64_t c, int64_t n) {
        int64_t ow = 0;
        for (; ow < begin; ++ow) border<kWhole>(g, rows, y, ow, first, last, c, n, w, epilogue);
        for (; ow + 4 <= end; ow += 4) inside<kWhole, 4>(g, rows, y, ow, first, last, c, n, w, epilogue);
        for (; ow < end; ++ow) inside<kWhole, 1>(g, rows, y, ow, first, last, c, n, w, epilogue);
        for (; ow < g.ow; ++ow) border<kWhole>(g, rows, y, ow, first, last, c, n, w, epilogue);
      });
    });
  }

  // One output, some of whose columns of taps are outside.
  template <bool kWhole>
  void border(const Grid& g, const T* x, T* y, int64_t ow, int64_t first, int64_t last, int64_t c, int64_t n,
              const T* w, bool epilogue) const {
    Vec<T> sum = epilogue && a.bias ? get<kWhole>(a.bias + c, n) : Vec<T>{};
    for (int64_t i = first; i < last; ++i)
      for (int64_t j = 0; j < a.kw; ++j) {
        const int64_t col = ow * g.stride_w - g.pad_left + j * a.dilation_w;
        if (col < 0 || col >= g.iw) continue;
        const T* at = x + ((i - first) * a.dilation_h * g.iw + col) * a.ci + c;
        sum = fma(get<kWhole>(at, n), get<kWhole>(w + (i * a.kw + j) * a.ci + c, n), sum);
      }
    if (epilogue) sum = activate_any<T>(a.activation, sum, a.activation_parameter, a.activation_parameter);
    set<kWhole>(y + ow * a.ci + c, sum, n);
  }

  // dx(row, col) = sum over taps of dy at the outputs that read it.
  void input_gradient() const {
    T* w = static_cast<T*>(a.workspace);
    if (a.stride_h == 1 && a.stride_w == 1) {  // a correlation with the filter turned round
      pack(w, true);
      return correlate({a.dy, a.oh, a.ow, a.dx, a.ih, a.iw, 1, 1, (a.kh - 1) * a.dilation_h - a.pad_top,
                        (a.kw - 1) * a.dilation_w - a.pad_left},
                       w, false);
    }
    pack(w);
    parallel_blocks(a.n * a.ih, a.width, cost(), [&](int64_t block, int) {
      const int64_t image = block / a.ih, row = block % a.ih + a.pad_top;
      const T* dy = a.dy + image * a.oh * a.ow * a.ci;
      T* dx = a.dx + block * a.iw * a.ci;
      for (int64_t col = 0; col < a.iw; ++col) {
        for_channels([&]<bool kWhole>(int64_t c, int64_t n) {
          Vec<T> sum{};
          for (int64_t i = 0; i < a.kh; ++i) {
            const int64_t down = row - i * a.dilation_h;
            if (down < 0 || down % a.stride_h != 0 || down / a.stride_h >= a.oh) continue;
            for (int64_t j = 0; j < a.kw; ++j) {
              const int64_t right = col + a.pad_left - j * a.dilation_w;
              if (right < 0 || right % a.stride_w != 0 || right / a.stride_w >= a.ow) continue;
              const int64_t pixel = down / a.stride_h * a.ow + right / a.stride_w;
              sum = fma(get<kWhole>(dy + pixel * a.ci + c, n), get<kWhole>(w + (i * a.kw + j) * a.ci + c, n), sum);
            }
          }
          set<kWhole>(dx + col * a.ci + c, sum, n);
        });
      }
    });
  }

  void weight_gradient() const {
    const Pieces parts = pieces();
    const int64_t size = taps() * a.ci;
    T* sums = static_cast<T*>(a.workspace);
    parallel_blocks(parts.count, a.width, cost(), [&](int64_t part, int) {
      T* mine = sums + part * size;
      for (int64_t i = 0; i < size; ++i) mine[i] = 0;
      for (int64_t r = parts.begin(part); r < parts.begin(part + 1); ++r) {
        const T* dy = a.dy + r * a.ow * a.ci;
        for (int64_t k = 0; k < taps(); ++k) {
          const int64_t row = r % a.oh * a.stride_h - a.pad_top + k / a.kw * a.dilation_h;
          if (row < 0 || row >= a.ih) continue;
          const T* x = a.x + (r / a.oh * a.ih + row) * a.iw * a.ci;
          const int64_t shift = k % a.kw * a.dilation_w - a.pad_left;
          for_channels([&]<bool kWhole>(int64_t c, int64_t n) {
            Vec<T> sum = get<kWhole>(mine + k * a.ci + c, n);
            for (int64_t ow = 0; ow < a.ow; ++ow) {
              const int64_t col = ow * a.stride_w + shift;
              if (col < 0 || col >= a.iw) continue;
              sum = fma(get<kWhole>(x + col * a.ci + c, n), get<kWhole>(dy + ow * a.ci + c, n), sum);
            }
            set<kWhole>(mine + k * a.ci + c, sum, n);
          });
        }
      }
    });
    for (int64_t k = 0; k < taps(); ++k)
      for (int64_t c = 0; c < a.ci; ++c) {
        T total = 0;
        for (int64_t part = 0; part < parts.count; ++part) total += sums[part * size + k * a.ci + c];
        a.dweight[c * a.weight_strides.out + k / a.kw * a.weight_strides.kh + k % a.kw * a.weight_strides.kw] = total;
      }
  }
};

}  // namespace fastnn::FASTNN_ISA
