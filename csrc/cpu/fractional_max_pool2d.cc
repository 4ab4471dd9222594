#include "ops/fractional_max_pool2d.h"

#include "cpu/elementwise.h"
#include "cpu/tile.h"
#include "formulas/fractional_max_pool2d.h"

namespace fastnn::FASTNN_ISA {
namespace {

using Geometry = FractionalGeometry;

// f.operator()<whole>(c, n) for the vectors of channels [begin, end); n valid lanes unless whole.
template <class T, class F>
FASTNN_INLINE void for_lanes(int64_t begin, int64_t end, const F& f) {
  constexpr int64_t kW = kLanes<T>;
  int64_t c = begin;
  for (; c + kW <= end; c += kW) f.template operator()<true>(c, kW);
  if (c < end) f.template operator()<false>(c, end - c);
}
template <bool kWhole, class T>
FASTNN_INLINE Vec<T> read(const T* p, int64_t n) {
  return kWhole ? load(p) : load_n(p, n);
}
template <bool kWhole, class T>
FASTNN_INLINE void write(T* p, Vec<T> v, int64_t n) {
  if constexpr (kWhole)
    store(p, v);
  else
    store_n(p, v, n);
}

template <class T>
void forward_row(const FractionalMaxPool2dArgs<T> a, int64_t r) {
  const Geometry g = a.g;
  const int64_t image = r / g.oh;
  const int64_t *rows = a.starts + image * (g.oh + g.ow), *columns = rows + g.oh;
  const T* top = a.x + (image * g.ih + rows[r % g.oh]) * g.iw * g.c;
  T* y = a.y + r * g.ow * g.c;
  uint8_t* codes = a.codes + r * g.ow * g.c;
  for (int64_t q = 0; q < g.ow; ++q, y += g.c, codes += g.c) {
    const T* corner = top + columns[q] * g.c;
    for_lanes<T>(0, g.c, [&]<bool kWhole>(int64_t c, int64_t n) {
      Vec<T> best = splat(-static_cast<T>(__builtin_inf()));
      Vec<Int<T>> at{};
      for (int64_t i = 0; i < g.kh; ++i)
        for (int64_t j = 0; j < g.kw; ++j) {
          const Vec<T> v = read<kWhole>(corner + (i * g.iw + j) * g.c + c, n);
          // Larger or the first NaN: the comparison is true for a NaN on either side.
          const Vec<Int<T>> better = ~(v <= best) & (best == best);
          best = select<T>(better, v, best);
          at = better ? Vec<Int<T>>{} + static_cast<Int<T>>(i * g.kw + j) : at;
        }
      write<kWhole>(y + c, best, n);
      if constexpr (kWhole) {
        store_bytes<T>(codes + c, at);
      } else {
        uint8_t cut[kLanes<T>];
        store_bytes<T>(cut, at);
        __builtin_memcpy(codes + c, cut, n);
      }
    });
  }
}

template <class T>
void forward(const FractionalMaxPool2dArgs<T>& a) {
  const Geometry& g = a.g;
  for (int64_t image = 0; image < g.n; ++image) {
    int64_t* starts = a.starts + image * (g.oh + g.ow);
    const double u = image_uniform(a, image, 0), v = image_uniform(a, image, 1);
    for (int64_t p = 0; p < g.oh; ++p) starts[p] = window_start(p, g.ih, g.kh, g.oh, u);
    for (int64_t q = 0; q < g.ow; ++q) starts[g.oh + q] = window_start(q, g.iw, g.kw, g.ow, v);
  }
  const int64_t rows = g.n * g.oh, image_bytes = g.ih * g.iw * g.c * static_cast<int64_t>(sizeof(T));
  if (rows * g.ow * g.c == 0) return;
  const Pieces blocks(rows, 65536 / (image_bytes / g.oh + 1) + 1);
  parallel_blocks(blocks.count, a.width, g.n * image_bytes, [&](int64_t block, int) {
    for (int64_t r = blocks.begin(block); r < blocks.begin(block + 1); ++r) forward_row(a, r);
  });
}

// Each dy is added where its maximum was, window after window: a strip of channels of an image is one task.
inline constexpr int64_t kStripChannels = 64;

template <class T>
void backward_strip(const FractionalMaxPool2dBackwardArgs<T> a, int64_t image, int64_t c0) {
  const Geometry g = a.g;
  const int64_t c1 = c0 + kStripChannels < g.c ? c0 + kStripChannels : g.c;
  const int64_t *rows = a.starts + image * (g.oh + g.ow), *columns = rows + g.oh;
  T* dx = a.dx + image * g.ih * g.iw * g.c;
  for (int64_t i = 0; i < g.ih * g.iw; ++i)
    for_lanes<T>(c0, c1, [&]<bool kWhole>(int64_t c, int64_t n) { write<kWhole>(dx + i * g.c + c, Vec<T>{}, n); });
  for (int64_t p = 0; p < g.oh; ++p)
    for (int64_t q = 0; q < g.ow; ++q) {
      const int64_t from = ((image * g.oh + p) * g.ow + q) * g.c;
      T* corner = dx + (rows[p] * g.iw + columns[q]) * g.c;
      for_lanes<T>(c0, c1, [&]<bool kWhole>(int64_t c, int64_t n) {
        const Vec<T> dy = read<kWhole>(a.dy + from + c, n);
        const Vec<Int<T>> codes = load_bytes<T>(a.codes + from + c);
        for (int64_t i = 0; i < g.kh; ++i)
          for (int64_t j = 0; j < g.kw; ++j) {
            T* to = corner + (i * g.iw + j) * g.c + c;
            const Vec<Int<T>> here = Vec<Int<T>>{} + static_cast<Int<T>>(i * g.kw + j);
            write<kWhole>(to, read<kWhole>(to, n) + select<T>(codes == here, dy, Vec<T>{}), n);
          }
      });
    }
}

template <class T>
void backward(const FractionalMaxPool2dBackwardArgs<T>& a) {
  const Geometry& g = a.g;
  const int64_t strips = (g.c + kStripChannels - 1) / kStripChannels;
  const int64_t bytes = 2 * g.n * g.ih * g.iw * g.c * static_cast<int64_t>(sizeof(T));
  parallel_blocks(g.n * strips, a.width, bytes,
                  [&](int64_t task, int) { backward_strip(a, task / strips, task % strips * kStripChannels); });
}

}  // namespace

void fractional_max_pool2d_forward(const FractionalMaxPool2dArgs<float>& a) { forward(a); }
void fractional_max_pool2d_forward(const FractionalMaxPool2dArgs<double>& a) { forward(a); }
void fractional_max_pool2d_input_gradient(const FractionalMaxPool2dBackwardArgs<float>& a) { backward(a); }
void fractional_max_pool2d_input_gradient(const FractionalMaxPool2dBackwardArgs<double>& a) { backward(a); }

}  // namespace fastnn::FASTNN_ISA
