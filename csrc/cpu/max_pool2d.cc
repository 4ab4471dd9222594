#include "ops/max_pool2d.h"

#include "cpu/max_pool2d_gradient.h"

namespace fastnn::FASTNN_ISA {
namespace {

// One window of NV vectors of channels; x is at its first position inside the image. A window of
// K x K positions, none outside, unrolls; K = 0 is any other.
template <int K, class T, class I, int NV>
FASTNN_INLINE void window(const Geometry& g, Inside rows, Inside cols, const T* x, const T* x_end, int64_t lanes, T* y,
                          const T* y_end, I* codes) {
  constexpr int kW = kLanes<T>;
  const bool empty = rows.first == rows.last || cols.first == cols.last;
  const int64_t row_step = g.dilation_h * g.iw * g.c, col_step = g.dilation_w * g.c;
  Vec<T> best[NV];
  Vec<Int<T>> at[NV];
  for (int u = 0; u < NV; ++u) {
    best[u] = splat(-static_cast<T>(__builtin_inf()));
    at[u] = splat_code<T>(empty ? kNone<I> : rows.first * g.kw + cols.first);
  }
  const auto meet = [&](const T* p, int64_t position) {
    const Vec<Int<T>> code = splat_code<T>(position);
    for (int u = 0; u < NV; ++u) {
      const Vec<T> v = NV > 1 ? load(p + u * kW) : load_lanes(p, lanes, x_end);
      // Larger or the first NaN: the comparison is true for a NaN on either side.
      const Vec<Int<T>> better = ~(v <= best[u]) & (best[u] == best[u]);
      best[u] = select<T>(better, v, best[u]);
      at[u] = better ? code : at[u];
    }
  };
  if constexpr (K > 0) {
#pragma GCC unroll 3
    for (int i = 0; i < K; ++i)
#pragma GCC unroll 3
      for (int j = 0; j < K; ++j) meet(x + i * row_step + j * col_step, i * K + j);
  } else {
    for (int64_t i = rows.first; i < rows.last; ++i)
      for (int64_t j = cols.first; j < cols.last; ++j)
        meet(x + (i - rows.first) * row_step + (j - cols.first) * col_step, i * g.kw + j);
  }
  for (int u = 0; u < NV; ++u) {
    if (NV > 1 || y_end - y >= kW) {
      store(y + u * kW, best[u]);
      store_codes<T>(codes + u * kW, at[u]);
    } else {
      I cut[kW];
      store_codes<T>(cut, at[u]);
      store_n(y, best[u], lanes);
      __builtin_memcpy(codes, cut, lanes * sizeof(I));
    }
  }
}

// Rows [begin, end) of y, counted over all images. The arguments are a copy, which no store can alias.
template <int K, class T, class I>
FASTNN_INLINE void forward_rows(const MaxPool2dArgs<T> a, int64_t begin, int64_t end) {
  const Geometry g = a.g;
  const int64_t row = g.ow * g.c;
  const T *x_end = a.x + g.n * g.ih * g.iw * g.c, *y_end = a.y + end * row;
  for (int64_t r = begin; r < end; ++r) {
    const int64_t top = r % g.oh * g.stride_h - g.pad_top;
    const Inside rows = inside(top, g.kh, g.dilation_h, g.ih);
    const int64_t row0 = (r / g.oh * g.ih + top + rows.first * g.dilation_h) * g.iw;
    T* y = a.y + r * row;
    I* codes = static_cast<I*>(a.codes) + r * row;
    for (int64_t q = 0; q < g.ow; ++q, y += g.c, codes += g.c) {
      const int64_t left = q * g.stride_w - g.pad_left;
      const Inside cols = inside(left, g.kw, g.dilation_w, g.iw);
      const T* x = a.x + (row0 + left + cols.first * g.dilation_w) * g.c;
      const bool whole = rows.last - rows.first == K && cols.last - cols.first == K;
      for_channels<T>(g.c, [&]<int NV>(int64_t c, int64_t lanes) {
        if (K > 0 && whole)
          window<K, T, I, NV>(g, rows, cols, x + c, x_end, lanes, y + c, y_end, codes + c);
        else
          window<0, T, I, NV>(g, rows, cols, x + c, x_end, lanes, y + c, y_end, codes + c);
      });
    }
  }
}

template <int K, class T, class I>
void forward(const MaxPool2dArgs<T>& a) {
  const Geometry& g = a.g;
  const int64_t rows = g.n * g.oh, step = g.stride_h < g.ih ? g.stride_h : g.ih;
  const int64_t row_bytes = (step * g.iw + g.ow) * g.c * static_cast<int64_t>(sizeof(T));
  const Pieces blocks(rows, 65536 / row_bytes + 1);
  parallel_blocks(blocks.count, a.width, rows * row_bytes,
                  [&](int64_t block, int) { forward_rows<K, T, I>(a, blocks.begin(block), blocks.begin(block + 1)); });
}

template <class T>
void forward_any(const MaxPool2dArgs<T>& a) {
  const Geometry& g = a.g;
  if (g.n * g.c == 0) return;
  if (g.kh == 2 && g.kw == 2)
    forward<2, T, uint8_t>(a);
  else if (g.kh == 3 && g.kw == 3)
    forward<3, T, uint8_t>(a);
  else if (g.code_bytes == 1)
    forward<0, T, uint8_t>(a);
  else
    forward<0, T, int32_t>(a);
}
template <class T>
void backward_any(const MaxPool2dBackwardArgs<T>& a) {
  if (a.g.n * a.g.c == 0) return;
  if (a.g.code_bytes == 1)
    backward<T, uint8_t>(a);
  else
    backward<T, int32_t>(a);
}

}  // namespace

void max_pool2d_forward(const MaxPool2dArgs<float>& a) { forward_any(a); }
void max_pool2d_forward(const MaxPool2dArgs<double>& a) { forward_any(a); }
int64_t max_pool2d_input_gradient_workspace(const MaxPool2dBackwardArgs<float>& a) { return backward_workspace(a); }
int64_t max_pool2d_input_gradient_workspace(const MaxPool2dBackwardArgs<double>& a) { return backward_workspace(a); }
void max_pool2d_input_gradient(const MaxPool2dBackwardArgs<float>& a) { backward_any(a); }
void max_pool2d_input_gradient(const MaxPool2dBackwardArgs<double>& a) { backward_any(a); }

}  // namespace fastnn::FASTNN_ISA
