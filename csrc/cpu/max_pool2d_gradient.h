// The gradient of max pooling: each pixel gathers, each window spreads, or each dy is scattered. All
// add in the order of the windows; the shape decides which one runs.
#pragma once

#include "cpu/pixels.h"
#include "cpu/tile.h"
#include "formulas/max_pool2d.h"
#include "ops/max_pool2d.h"

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
    Vec<Int<T>> v{};
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
template <class T>
FASTNN_INLINE Vec<Int<T>> splat_code(int64_t code) {
  return Vec<Int<T>>{} + static_cast<Int<T>>(code);
}

Cover cover(int64_t position, int64_t windows, int64_t kernel, int64_t stride, int64_t dilation) {
  return cover(position, windows, kernel, stride, dilation, steps_of(stride, dilation));
}

// Rows [begin, end) of dx, counted over all images: each pixel sums over the windows that cover it,
// in their order.
template <bool kStreaming, class T, class I>
FASTNN_INLINE void gather_rows(const MaxPool2dBackwardArgs<T> a, const Cover* columns, int64_t begin, int64_t end) {
  constexpr int kW = kLanes<T>;
  const Geometry g = a.g;
  const int64_t row = g.iw * g.c;
  const T *dy_end = a.dy + g.n * g.oh * g.ow * g.c, *dx_end = a.dx + end * row;
  for (int64_t r = begin; r < end; ++r) {
    const Cover rows = cover(r % g.ih + g.pad_top, g.oh, g.kh, g.stride_h, g.dilation_h);
    const int64_t window_row = (r / g.ih * g.oh + rows.first) * g.ow;
    const int64_t down = rows.step * g.ow * g.c, code_down = rows.tap_step * g.kw;
    T* dx = a.dx + r * row;
    for (int64_t w = 0; w < g.iw; ++w, dx += g.c) {
      const Cover cols = columns[w];
      const int64_t corner = (window_row + cols.first) * g.c, corner_code = rows.tap * g.kw + cols.tap;
      const int64_t across = cols.step * g.c;
      const auto sum_windows = [&](auto high, auto wide) {
        for_channels<T>(g.c, [&]<int NV>(int64_t c, int64_t lanes) {
          Vec<T> sum[NV] = {};
          for (int64_t i = 0; i < high(); ++i) {
            const T* dy = a.dy + corner + i * down + c;
            const I* codes = static_cast<const I*>(a.codes) + corner + i * down + c;
            int64_t code = corner_code - i * code_down;
            for (int64_t j = 0; j < wide(); ++j, dy += across, codes += across, code -= cols.tap_step) {
              const Vec<Int<T>> here = splat_code<T>(code);
              for (int u = 0; u < NV; ++u) {
                const Vec<T> v = NV > 1 ? load(dy + u * kW) : load_lanes(dy, lanes, dy_end);
                sum[u] += select<T>(load_codes<T>(codes + u * kW) == here, v, Vec<T>{});
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
      };
      // The counts that stride 2 brings, known to the compiler: the branch predictor loses on them.
      const auto one = [] { return int64_t{1}; };
      const auto two = [] { return int64_t{2}; };
      if (rows.count == 1 && cols.count == 1)
        sum_windows(one, one);
      else if (rows.count == 1 && cols.count == 2)
        sum_windows(one, two);
      else if (rows.count == 2 && cols.count == 1)
        sum_windows(two, one);
      else if (rows.count == 2 && cols.count == 2)
        sum_windows(two, two);
      else
        sum_windows([&] { return rows.count; }, [&] { return cols.count; });
    }
  }
  if (kStreaming) stream_fence();
}

template <bool kStreaming, class T, class I>
void gather(const MaxPool2dBackwardArgs<T>& a) {
  const Geometry& g = a.g;
  Cover* columns = static_cast<Cover*>(a.workspace);
  for (int64_t w = 0; w < g.iw; ++w) columns[w] = cover(w + g.pad_left, g.ow, g.kw, g.stride_w, g.dilation_w);
  const int64_t rows = g.n * g.ih, row_bytes = g.iw * g.c * static_cast<int64_t>(sizeof(T));
  const Pieces blocks(rows, 65536 / row_bytes + 1);
  parallel_blocks(blocks.count, a.width, 2 * rows * row_bytes, [&](int64_t block, int) {
    gather_rows<kStreaming, T, I>(a, columns, blocks.begin(block), blocks.begin(block + 1));
  });
}

// Windows that tile the image: each writes its pixels of dx, which no other window covers. Bands of
// kh rows [begin, end); the last of an image may lie below all windows.
template <bool kStreaming, class T, class I>
FASTNN_INLINE void spread_bands(const MaxPool2dBackwardArgs<T> a, int64_t bands, int64_t begin, int64_t end) {
  constexpr int kW = kLanes<T>;
  const Geometry g = a.g;
  const int64_t row = g.iw * g.c;
  const T* dy_end = a.dy + g.n * g.oh * g.ow * g.c;
  for (int64_t b = begin; b < end; ++b) {
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
        T* line = band + q * g.kw * g.c + c;
        for (int64_t i = 0; i < height; ++i, line += row) {
          const T* row_end = band + (i + 1) * row;
          T* dx = line;
          for (int64_t j = 0; j < wide; ++j, dx += g.c) {
            const Vec<Int<T>> here = splat_code<T>(i * g.kw + j);
            for (int u = 0; u < NV; ++u) {
              const Vec<T> v = select<T>(codes[u] == here, dy[u], Vec<T>{});
              if constexpr (kStreaming || NV > 1)
                put<kStreaming>(dx + u * kW, v);
              else
                store_lanes(dx, v, lanes, row_end);
            }
          }
        }
      });
    }
    for (int64_t i = 0; i < height; ++i)
      for (int64_t k = covered * g.c; k < row; ++k) band[i * row + k] = 0;
  }
  if (kStreaming) stream_fence();
}

template <bool kStreaming, class T, class I>
void spread(const MaxPool2dBackwardArgs<T>& a) {
  const Geometry& g = a.g;
  const int64_t bands = (g.ih + g.kh - 1) / g.kh;
  const int64_t band_bytes = g.kh * g.iw * g.c * static_cast<int64_t>(sizeof(T));
  const Pieces blocks(g.n * bands, 65536 / band_bytes + 1);
  parallel_blocks(blocks.count, a.width, 2 * g.n * bands * band_bytes, [&](int64_t block, int) {
    spread_bands<kStreaming, T, I>(a, bands, blocks.begin(block), blocks.begin(block + 1));
  });
}

// Windows that overlap many times over cost the gather their area for each pixel. Here each dy is
// added once, to a strip of channels of one image that is a cache line wide. Strips of wider pixels are
// summed in a dense copy, where that fits L2: in dx their lines would evict each other.
template <class T>
inline constexpr int64_t kStrip = 64 / static_cast<int64_t>(sizeof(T));

template <class T>
FASTNN_INLINE bool sums_in_dx(const Geometry& g) {
  return g.c <= kStrip<T> || g.ih * g.iw > (256 << 10) / 64;
}

template <class T, class I>
FASTNN_INLINE void scatter_strip(const MaxPool2dBackwardArgs<T> a, const int64_t* offsets, T* sums, int64_t pitch,
                                 int64_t image, int64_t c0) {
  const Geometry g = a.g;
  const int64_t channels = g.c - c0 < kStrip<T> ? g.c - c0 : kStrip<T>;
  T* dx = a.dx + image * g.ih * g.iw * g.c + c0;
  const bool copies = !sums_in_dx<T>(g);
  if (!copies) sums = dx;
  if (copies || channels == pitch)
    __builtin_memset(sums, 0, g.ih * g.iw * pitch * sizeof(T));
  else
    for (int64_t i = 0; i < g.ih * g.iw; ++i) __builtin_memset(sums + i * pitch, 0, channels * sizeof(T));
  const T* dy = a.dy + image * g.oh * g.ow * g.c + c0;
  const I* codes = static_cast<const I*>(a.codes) + image * g.oh * g.ow * g.c + c0;
  for (int64_t p = 0; p < g.oh; ++p)
    for (int64_t q = 0; q < g.ow; ++q, dy += g.c, codes += g.c) {
      const int64_t to = ((p * g.stride_h - g.pad_top) * g.iw + q * g.stride_w - g.pad_left) * pitch;
      for (int64_t c = 0; c < channels; ++c)
        if (codes[c] != kNone<I>) sums[to + offsets[codes[c]] + c] += dy[c];
    }
  if (!copies) return;
  for (int64_t i = 0; i < g.ih * g.iw; ++i)
    for (int64_t c = 0; c < channels; ++c) dx[i * g.c + c] = sums[i * pitch + c];
}

template <class T, class I>
void scatter(const MaxPool2dBackwardArgs<T>& a) {
  const Geometry& g = a.g;
  const int64_t pitch = sums_in_dx<T>(g) ? g.c : kStrip<T>, strips = (g.c + kStrip<T> - 1) / kStrip<T>;
  int64_t* offsets = static_cast<int64_t*>(a.workspace);
  for (int64_t i = 0; i < g.kh; ++i)
    for (int64_t j = 0; j < g.kw; ++j) offsets[i * g.kw + j] = (i * g.dilation_h * g.iw + j * g.dilation_w) * pitch;
  T* sums = reinterpret_cast<T*>(offsets + g.kh * g.kw);
  const int64_t bytes = g.n * g.c * (g.ih * g.iw + 4 * g.oh * g.ow) * static_cast<int64_t>(sizeof(T));
  parallel_blocks(g.n * strips, a.width, bytes, [&](int64_t block, int worker) {
    scatter_strip<T, I>(a, offsets, sums + worker * g.ih * g.iw * kStrip<T>, pitch, block / strips,
                        block % strips * kStrip<T>);
  });
}

FASTNN_INLINE bool tiles(const Geometry& g) {
  return g.kh == g.stride_h && g.kw == g.stride_w && g.dilation_h * g.dilation_w == 1 && g.pad_top + g.pad_left == 0;
}
// Measured: scattering costs less where more than 9 windows cover a pixel, and where a pixel fills
// less than half, of windows that tile a quarter, of a vector.
template <class T>
FASTNN_INLINE bool scatters(const Geometry& g) {
  return g.kh * g.kw / g.stride_h / g.stride_w > 9 || (tiles(g) ? 4 : 2) * g.c <= kLanes<T>;
}

template <class T>
int64_t backward_workspace(const MaxPool2dBackwardArgs<T>& a) {
  const Geometry& g = a.g;
  if (g.n * g.c == 0) return 0;
  if (!scatters<T>(g)) return g.iw * static_cast<int64_t>(sizeof(Cover));
  const int64_t sums = sums_in_dx<T>(g) ? 0 : a.width * g.ih * g.iw * 64;
  return g.kh * g.kw * static_cast<int64_t>(sizeof(int64_t)) + sums;
}

template <class T, class I>
void backward(const MaxPool2dBackwardArgs<T>& a) {
  const Geometry& g = a.g;
  if (scatters<T>(g)) return scatter<T, I>(a);
  const bool streaming = can_stream_pixels(a.dx, g.n * g.ih * g.iw, g.c);
  if (tiles(g)) return streaming ? spread<true, T, I>(a) : spread<false, T, I>(a);
  return streaming ? gather<true, T, I>(a) : gather<false, T, I>(a);
}

}  // namespace
}  // namespace fastnn::FASTNN_ISA
