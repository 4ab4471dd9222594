#include "ops/avg_pool2d.h"

#include "cpu/pixels.h"
#include "cpu/tile.h"
#include "formulas/avg_pool2d.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Windows and means are separable: the rows of a window are summed first, whole rows of pixels at a time
// whatever the number of channels, then its columns.

// What stands before a row of one worker: room that a vector may read and write past its end.
template <class T>
int64_t line_size(int64_t pixels, int64_t channels) {
  return pixels * channels + 4 * kLanes<T>;
}

// out[k] = the sum over `rows` rows, `pitch` apart, of x[k] times its row's factor.
template <class T, class Factor>
FASTNN_INLINE void add_rows(const T* x, int64_t rows, int64_t pitch, int64_t length, const Factor& factor, T* out) {
  constexpr int64_t kW = kLanes<T>;
  const auto sum = [&](int64_t k, auto read) {
    Vec<T> total = read(x + k) * factor(0);
    for (int64_t i = 1; i < rows; ++i) total = fma(read(x + i * pitch + k), factor(i), total);
    return total;
  };
  int64_t k = 0;
  for (; k + kW <= length; k += kW) store(out + k, sum(k, [](const T* p) { return load(p); }));
  if (k < length) store(out + k, sum(k, [&](const T* p) { return load_n(p, length - k); }));
}

// For each of `pixels` pixels, y = the sum of the pixels of `line` in its range times `factor(pixel, j)`.
template <bool kStreaming, class T, class Factor>
FASTNN_INLINE void add_columns(const T* line, const Range<T>* ranges, int64_t pixels, int64_t channels,
                               const Factor& factor, T* y, const T* y_end) {
  constexpr int64_t kW = kLanes<T>;
  for (int64_t q = 0; q < pixels; ++q, y += channels) {
    const Range<T> r = ranges[q];
    const T* from = line + r.begin * channels;
    for_channels<T>(channels, [&]<int NV>(int64_t c, int64_t lanes) {
      Vec<T> total[NV] = {};
      for (int64_t j = r.begin; j < r.end; ++j) {
        const Vec<T> f = splat(factor(q, j));
        const T* p = from + (j - r.begin) * channels + c;
#pragma GCC unroll 4
        for (int u = 0; u < NV; ++u) total[u] = fma(load(p + u * kW), f, total[u]);
      }
#pragma GCC unroll 4
      for (int u = 0; u < NV; ++u) {
        if constexpr (kStreaming || NV > 1)
          put<kStreaming>(y + c + u * kW, total[u]);
        else
          store_lanes(y + c, total[u], lanes, y_end);
      }
    });
  }
}

template <class T>
int64_t workspace(const AvgPool2dGeometry& g, int64_t ranges, int64_t line_pixels, int width) {
  return ranges * static_cast<int64_t>(sizeof(Range<T>)) +
         width * line_size<T>(line_pixels, g.c) * static_cast<int64_t>(sizeof(T));
}

// Output rows `rows_in_all` of `pixels` pixels each, by rows(r) -> the lines to add, from `source`.
template <bool kStreaming, class T, class Lines, class Factor>
void run(const AvgPool2dArgs<T>& a, int64_t rows_in_all, int64_t pixels, int64_t line_pixels, const Range<T>* ranges,
         T* lines, const Lines& add_lines, const Factor& factor) {
  const int64_t channels = a.g.c, row_bytes = pixels * channels * static_cast<int64_t>(sizeof(T));
  const int64_t bytes = (a.g.ih * a.g.iw + a.g.oh * a.g.ow) * a.g.n * channels * static_cast<int64_t>(sizeof(T));
  const Pieces blocks(rows_in_all, 65536 / (row_bytes + line_pixels * channels * static_cast<int64_t>(sizeof(T))) + 1);
  parallel_blocks(blocks.count, a.width, bytes, [&](int64_t block, int worker) {
    T* line = lines + worker * line_size<T>(line_pixels, channels);
    T* y_end = a.y + blocks.begin(block + 1) * pixels * channels;
    for (int64_t r = blocks.begin(block); r < blocks.begin(block + 1); ++r) {
      add_lines(r, line);
      add_columns<kStreaming>(line, ranges, pixels, channels, factor, a.y + r * pixels * channels, y_end);
    }
    if (kStreaming) stream_fence();
  });
}

template <class T>
void forward(const AvgPool2dArgs<T>& a) {
  const AvgPool2dGeometry g = a.g;
  if (g.n * g.c * g.oh * g.ow == 0) return;
  Range<T>* ranges = static_cast<Range<T>*>(a.workspace);
  for (int64_t q = 0; q < g.ow; ++q) ranges[q] = columns_of<T>(g, q);
  T* lines = reinterpret_cast<T*>(ranges + g.ow);
  const int64_t pitch = g.iw * g.c;
  const T scale = scale_of<T>(g);
  const auto add_lines = [&](int64_t r, T* line) {
    const Range<T> rows = rows_of<T>(g, r % g.oh);
    const Vec<T> f = splat(rows.factor * scale);
    if (rows.begin == rows.end) {
      for (int64_t k = 0; k < pitch; ++k) line[k] = 0;
      return;
    }
    const T* x = a.x + (r / g.oh * g.ih + rows.begin) * pitch;
    add_rows(x, rows.end - rows.begin, pitch, pitch, [&](int64_t) { return f; }, line);
  };
  const auto factor = [&](int64_t q, int64_t) { return ranges[q].factor; };
  if (can_stream_pixels(a.y, g.n * g.oh * g.ow, g.c))
    run<true>(a, g.n * g.oh, g.ow, g.iw, ranges, lines, add_lines, factor);
  else
    run<false>(a, g.n * g.oh, g.ow, g.iw, ranges, lines, add_lines, factor);
}

template <class T>
void backward(const AvgPool2dArgs<T>& a) {
  const AvgPool2dGeometry g = a.g;
  if (g.n * g.c == 0) return;
  Range<T>* ranges = static_cast<Range<T>*>(a.workspace);
  Range<T>*columns = ranges + g.iw, *rows = columns + g.ow;
  for (int64_t w = 0; w < g.iw; ++w) ranges[w] = windows_of<T>(w, g.kw, g.stride_w, g.pad_left, g.ow);
  for (int64_t q = 0; q < g.ow; ++q) columns[q] = columns_of<T>(g, q);
  for (int64_t p = 0; p < g.oh; ++p) rows[p] = rows_of<T>(g, p);
  T* lines = reinterpret_cast<T*>(rows + g.oh);
  const int64_t pitch = g.ow * g.c;
  const T scale = scale_of<T>(g);
  const auto add_lines = [&](int64_t r, T* line) {
    const Range<T> covering = windows_of<T>(r % g.ih, g.kh, g.stride_h, g.pad_top, g.oh);
    if (covering.begin == covering.end) {
      for (int64_t k = 0; k < pitch; ++k) line[k] = 0;
      return;
    }
    const T* dy = a.x + (r / g.ih * g.oh + covering.begin) * pitch;
    add_rows(
        dy, covering.end - covering.begin, pitch, pitch,
        [&](int64_t i) { return splat(rows[covering.begin + i].factor * scale); }, line);
  };
  const auto factor = [&](int64_t, int64_t q) { return columns[q].factor; };
  if (can_stream_pixels(a.y, g.n * g.ih * g.iw, g.c))
    run<true>(a, g.n * g.ih, g.iw, g.ow, ranges, lines, add_lines, factor);
  else
    run<false>(a, g.n * g.ih, g.iw, g.ow, ranges, lines, add_lines, factor);
}

template <class T>
int64_t forward_bytes(const AvgPool2dArgs<T>& a) {
  return workspace<T>(a.g, a.g.ow, a.g.iw, a.width);
}
template <class T>
int64_t backward_bytes(const AvgPool2dArgs<T>& a) {
  return workspace<T>(a.g, a.g.iw + a.g.ow + a.g.oh, a.g.ow, a.width);
}

}  // namespace

int64_t avg_pool2d_workspace(const AvgPool2dArgs<float>& a) { return forward_bytes(a); }
int64_t avg_pool2d_workspace(const AvgPool2dArgs<double>& a) { return forward_bytes(a); }
void avg_pool2d_forward(const AvgPool2dArgs<float>& a) { forward(a); }
void avg_pool2d_forward(const AvgPool2dArgs<double>& a) { forward(a); }
int64_t avg_pool2d_input_gradient_workspace(const AvgPool2dArgs<float>& a) { return backward_bytes(a); }
int64_t avg_pool2d_input_gradient_workspace(const AvgPool2dArgs<double>& a) { return backward_bytes(a); }
void avg_pool2d_input_gradient(const AvgPool2dArgs<float>& a) { backward(a); }
void avg_pool2d_input_gradient(const AvgPool2dArgs<double>& a) { backward(a); }

}  // namespace fastnn::FASTNN_ISA
