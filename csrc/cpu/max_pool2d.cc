#include "ops/max_pool2d.h"

#include "cpu/pixels.h"
#include "cpu/tile.h"

namespace fastnn::FASTNN_ISA {
namespace {

using Geometry = MaxPool2dGeometry;

// Codes in memory (I) as lanes of T's size.
template <class T, class I>
FASTNN_INLINE Vec<Int<T>> load_codes(const I* p) {
  if constexpr (sizeof(I) == 1)
    return load_bytes<T>(p);
  else if constexpr (sizeof(T) == 4)
    return load(p);
  else {
    Vec<Int<T>> v;
    for (int i = 0; i < kLanes<T>; ++i) v[i] = p[i];
    return v;
  }
}
template <class T, class I>
FASTNN_INLINE void store_codes(I* p, Vec<Int<T>> v) {
  if constexpr (sizeof(I) == 1)
    store_bytes<T>(p, v);
  else if constexpr (sizeof(T) == 4)
    store(p, v);
  else
    for (int i = 0; i < kLanes<T>; ++i) p[i] = static_cast<I>(v[i]);
}
template <class I>
inline constexpr I kNone = static_cast<I>(-1);

template <class T>
FASTNN_INLINE Vec<Int<T>> splat_code(int64_t code) {
  return Vec<Int<T>>{} + static_cast<Int<T>>(code);
}

// Kernel positions [first, last) of the window at `start` that lie inside the image.
struct Inside {
  int64_t first, last;
};
FASTNN_INLINE Inside inside(int64_t start, int64_t kernel, int64_t dilation, int64_t size) {
  const int64_t first = start >= 0 ? 0 : (dilation - 1 - start) / dilation;
  const int64_t last = start + (kernel - 1) * dilation < size ? kernel : (size - start + dilation - 1) / dilation;
  return {first, last > first ? last : first};
}

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

template <int K, class T, class I>
void forward(const MaxPool2dArgs<T>& a) {
  const Geometry& g = a.g;
  const int64_t rows_in_all = g.n * g.oh, row = g.ow * g.c;
  const int64_t step = g.stride_h < g.ih ? g.stride_h : g.ih;
  const int64_t row_bytes = (step * g.iw + g.ow) * g.c * static_cast<int64_t>(sizeof(T));
  const Pieces blocks(rows_in_all, 65536 / row_bytes + 1);
  const T* x_end = a.x + g.n * g.ih * g.iw * g.c;
  parallel_blocks(blocks.count, a.width, rows_in_all * row_bytes, [&](int64_t block, int) {
    const T* y_end = a.y + blocks.begin(block + 1) * row;
    for (int64_t r = blocks.begin(block); r < blocks.begin(block + 1); ++r) {
      const int64_t top = r % g.oh * g.stride_h - g.pad_top;
      const Inside rows = inside(top, g.kh, g.dilation_h, g.ih);
      const int64_t row0 = (r / g.oh * g.ih + top + rows.first * g.dilation_h) * g.iw;
      for (int64_t q = 0; q < g.ow; ++q) {
        const int64_t left = q * g.stride_w - g.pad_left;
        const Inside cols = inside(left, g.kw, g.dilation_w, g.iw);
        const T* x = a.x + (row0 + left + cols.first * g.dilation_w) * g.c;
        T* y = a.y + r * row + q * g.c;
        I* codes = static_cast<I*>(a.codes) + r * row + q * g.c;
        const bool whole = rows.last - rows.first == K && cols.last - cols.first == K;
        for_channels<T>(g.c, [&]<int NV>(int64_t c, int64_t lanes) {
          if (K > 0 && whole)
            window<K, T, I, NV>(g, rows, cols, x + c, x_end, lanes, y + c, y_end, codes + c);
          else
            window<0, T, I, NV>(g, rows, cols, x + c, x_end, lanes, y + c, y_end, codes + c);
        });
      }
    }
  });
}

// The windows that cover one row or column of the image: first, first + step, ..., which meet it at
// their kernel positions tap, tap - tap_step, ...
struct Cover {
  int64_t first, count, step, tap, tap_step;
};
Cover cover(int64_t position, int64_t windows, int64_t kernel, int64_t stride, int64_t dilation) {
  int64_t divisor = dilation;
  for (int64_t rest = stride; rest;) {
    const int64_t next = divisor % rest;
    divisor = rest, rest = next;
  }
  Cover k{0, 0, dilation / divisor, 0, stride / divisor};
  const int64_t before = position - dilation * (kernel - 1);
  k.first = before > 0 ? (before + stride - 1) / stride : 0;
  int64_t last = position / stride;
  if (last >= windows) last = windows - 1;
  while (k.first <= last && (position - k.first * stride) % dilation) ++k.first;
  if (k.first > last) return k;
  k.count = (last - k.first) / k.step + 1;
  k.tap = (position - k.first * stride) / dilation;
  return k;
}

// Each pixel of dx sums over the windows that cover it, in their order.
template <bool kStreaming, class T, class I>
void gather(const MaxPool2dBackwardArgs<T>& a, const Cover* columns) {
  constexpr int kW = kLanes<T>;
  const Geometry& g = a.g;
  const I* all_codes = static_cast<const I*>(a.codes);
  const int64_t rows_in_all = g.n * g.ih, row = g.iw * g.c, row_bytes = row * static_cast<int64_t>(sizeof(T));
  const Pieces blocks(rows_in_all, 65536 / row_bytes + 1);
  const T* dy_end = a.dy + g.n * g.oh * g.ow * g.c;
  parallel_blocks(blocks.count, a.width, 2 * rows_in_all * row_bytes, [&](int64_t block, int) {
    const T* dx_end = a.dx + blocks.begin(block + 1) * row;
    for (int64_t r = blocks.begin(block); r < blocks.begin(block + 1); ++r) {
      const Cover rows = cover(r % g.ih + g.pad_top, g.oh, g.kh, g.stride_h, g.dilation_h);
      const int64_t window_row = (r / g.ih * g.oh + rows.first) * g.ow;
      for (int64_t w = 0; w < g.iw; ++w) {
        const Cover& cols = columns[w];
        const int64_t corner = (window_row + cols.first) * g.c, corner_code = rows.tap * g.kw + cols.tap;
        T* dx = a.dx + r * row + w * g.c;
        for_channels<T>(g.c, [&]<int NV>(int64_t c, int64_t lanes) {
          Vec<T> sum[NV] = {};
          for (int64_t i = 0; i < rows.count; ++i) {
            int64_t offset = corner + i * rows.step * g.ow * g.c + c;
            int64_t code = corner_code - i * rows.tap_step * g.kw;
            for (int64_t j = 0; j < cols.count; ++j, offset += cols.step * g.c, code -= cols.tap_step) {
              const Vec<Int<T>> here = splat_code<T>(code);
              for (int u = 0; u < NV; ++u) {
                const T* p = a.dy + offset + u * kW;
                const Vec<T> dy = NV > 1 ? load(p) : load_lanes(p, lanes, dy_end);
                sum[u] += select<T>(load_codes<T>(all_codes + offset + u * kW) == here, dy, Vec<T>{});
              }
            }
          }
          for (int u = 0; u < NV; ++u) {
            if constexpr (kStreaming || NV > 1)
              put<kStreaming>(dx + c + u * kW, sum[u]);
            else
              store_lanes(dx + c, sum[u], lanes, dx_end);
          }
        });
      }
    }
    if (kStreaming) stream_fence();
  });
}

// Windows that tile the image: each writes its pixels of dx, which no other window covers.
template <bool kStreaming, class T, class I>
void spread(const MaxPool2dBackwardArgs<T>& a) {
  constexpr int kW = kLanes<T>;
  const Geometry& g = a.g;
  const int64_t bands = (g.ih + g.kh - 1) / g.kh, row = g.iw * g.c;  // the last may lie below all windows
  const int64_t band_bytes = g.kh * row * static_cast<int64_t>(sizeof(T));
  const Pieces blocks(g.n * bands, 65536 / band_bytes + 1);
  const T* dy_end = a.dy + g.n * g.oh * g.ow * g.c;
  parallel_blocks(blocks.count, a.width, 2 * g.n * bands * band_bytes, [&](int64_t block, int) {
    for (int64_t b = blocks.begin(block); b < blocks.begin(block + 1); ++b) {
      const int64_t image = b / bands, p = b % bands;
      const int64_t height = g.ih - p * g.kh < g.kh ? g.ih - p * g.kh : g.kh;
      T* band = a.dx + (image * g.ih + p * g.kh) * row;
      const int64_t windows = p < g.oh ? g.ow : 0, covered = windows * g.kw < g.iw ? windows * g.kw : g.iw;
      for (int64_t q = 0; q < windows; ++q) {
        const int64_t wide = g.iw - q * g.kw < g.kw ? g.iw - q * g.kw : g.kw;
        const int64_t from = ((image * g.oh + p) * g.ow + q) * g.c;
        for_channels<T>(g.c, [&]<int NV>(int64_t c, int64_t lanes) {
          Vec<T> dy[NV];
          Vec<Int<T>> codes[NV];
          for (int u = 0; u < NV; ++u) {
            const T* at = a.dy + from + c + u * kW;
            dy[u] = NV > 1 ? load(at) : load_lanes(at, lanes, dy_end);
            codes[u] = load_codes<T>(static_cast<const I*>(a.codes) + from + c + u * kW);
          }
          for (int64_t i = 0; i < height; ++i)
            for (int64_t j = 0; j < wide; ++j) {
              const Vec<Int<T>> here = splat_code<T>(i * g.kw + j);
              T* dx = band + i * row + (q * g.kw + j) * g.c + c;
              for (int u = 0; u < NV; ++u) {
                const Vec<T> v = select<T>(codes[u] == here, dy[u], Vec<T>{});
                if constexpr (kStreaming || NV > 1)
                  put<kStreaming>(dx + u * kW, v);
                else
                  store_lanes(dx, v, lanes, band + (i + 1) * row);
              }
            }
        });
      }
      for (int64_t i = 0; i < height; ++i)
        for (int64_t k = covered * g.c; k < row; ++k) band[i * row + k] = 0;
    }
    if (kStreaming) stream_fence();
  });
}

// Windows that overlap many times over cost the gather their area for each pixel. Here each dy is
// added once, one image's strip of channels after the other, in the same order of windows.
template <class T, class I>
void scatter(const MaxPool2dBackwardArgs<T>& a, int64_t* offsets) {
  const Geometry& g = a.g;
  for (int64_t i = 0; i < g.kh; ++i)
    for (int64_t j = 0; j < g.kw; ++j) offsets[i * g.kw + j] = (i * g.dilation_h * g.iw + j * g.dilation_w) * g.c;
  const Pieces strips(g.c, 64 / static_cast<int64_t>(sizeof(T)));
  const int64_t bytes = g.n * g.c * (g.ih * g.iw + 4 * g.oh * g.ow) * static_cast<int64_t>(sizeof(T));
  parallel_blocks(g.n * strips.count, a.width, bytes, [&](int64_t block, int) {
    const int64_t image = block / strips.count, strip = block % strips.count;
    const int64_t c0 = strips.begin(strip), channels = strips.size(strip);
    T* dx = a.dx + image * g.ih * g.iw * g.c + c0;
    for (int64_t i = 0; i < g.ih * g.iw; ++i)
      for (int64_t c = 0; c < channels; ++c) dx[i * g.c + c] = 0;
    for (int64_t p = 0; p < g.oh; ++p)
      for (int64_t q = 0; q < g.ow; ++q) {
        const int64_t from = ((image * g.oh + p) * g.ow + q) * g.c + c0;
        const int64_t to = ((p * g.stride_h - g.pad_top) * g.iw + q * g.stride_w - g.pad_left) * g.c;
        for (int64_t c = 0; c < channels; ++c) {
          const I code = static_cast<const I*>(a.codes)[from + c];
          if (code != kNone<I>) dx[to + offsets[code] + c] += a.dy[from + c];
        }
      }
  });
}

FASTNN_INLINE bool tiles(const Geometry& g) {
  return g.kh == g.stride_h && g.kw == g.stride_w && g.dilation_h * g.dilation_w == 1 && g.pad_top + g.pad_left == 0;
}
// Measured: scattering costs less where more than 9 windows cover a pixel, and where a pixel is
// narrower than half a vector.
template <class T>
FASTNN_INLINE bool scatters(const Geometry& g) {
  return !tiles(g) && (g.kh * g.kw / g.stride_h / g.stride_w > 9 || 2 * g.c < kLanes<T>);
}

template <class T>
int64_t workspace(const MaxPool2dBackwardArgs<T>& a) {
  const Geometry& g = a.g;
  if (g.n * g.c == 0 || tiles(g)) return 0;
  return scatters<T>(g) ? g.kh * g.kw * static_cast<int64_t>(sizeof(int64_t))
                        : g.iw * static_cast<int64_t>(sizeof(Cover));
}

template <class T, class I>
void backward(const MaxPool2dBackwardArgs<T>& a) {
  const Geometry& g = a.g;
  if (scatters<T>(g)) return scatter<T, I>(a, static_cast<int64_t*>(a.workspace));
  const bool streaming = can_stream_pixels(a.dx, g.n * g.ih * g.iw, g.c);
  if (tiles(g)) return streaming ? spread<true, T, I>(a) : spread<false, T, I>(a);
  Cover* columns = static_cast<Cover*>(a.workspace);
  for (int64_t w = 0; w < g.iw; ++w) columns[w] = cover(w + g.pad_left, g.ow, g.kw, g.stride_w, g.dilation_w);
  if (streaming)
    gather<true, T, I>(a, columns);
  else
    gather<false, T, I>(a, columns);
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
int64_t max_pool2d_input_gradient_workspace(const MaxPool2dBackwardArgs<float>& a) { return workspace(a); }
int64_t max_pool2d_input_gradient_workspace(const MaxPool2dBackwardArgs<double>& a) { return workspace(a); }
void max_pool2d_input_gradient(const MaxPool2dBackwardArgs<float>& a) { backward_any(a); }
void max_pool2d_input_gradient(const MaxPool2dBackwardArgs<double>& a) { backward_any(a); }

}  // namespace fastnn::FASTNN_ISA
