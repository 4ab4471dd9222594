#include "ops/adaptive_avg_pool2d.h"

#include "cpu/pixels.h"
#include "cpu/tile.h"

namespace fastnn::FASTNN_ISA {
namespace {

struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};
FASTNN_INLINE Range part(int64_t i, int64_t parts, int64_t size) {
  return {i * size / parts, ((i + 1) * size + parts - 1) / parts};
}
// The parts that hold a pixel: the same formula with the roles exchanged.
FASTNN_INLINE Range parts_of(int64_t pixel, int64_t parts, int64_t size) { return part(pixel, size, parts); }

// A sum of pixels, all channels at a time: it stays in L1 while x streams by.
template <class T>
struct PixelSum {
  int64_t channels;
  const T* x_end;
  T* sum;
  const T* sum_end;
  bool empty = true;

  // kCount pixels that lie one after another, added in pairs first.
  template <int kCount>
  void add(const T* x) {
    constexpr int64_t kW = kLanes<T>;
    for (int64_t c = 0; c < channels; c += kW) {
      const int64_t lanes = channels - c < kW ? channels - c : kW;
      Vec<T> v[kCount];
      for (int k = 0; k < kCount; ++k) v[k] = load_lanes(x + k * channels + c, lanes, x_end);
#pragma GCC unroll 4
      for (int half = kCount / 2; half > 0; half /= 2)
#pragma GCC unroll 4
        for (int k = 0; k < half; ++k) v[k] += v[k + half];
      if (!empty) v[0] += load_lanes(sum + c, lanes, sum_end);
      store_lanes(sum + c, v[0], lanes, sum_end);
    }
    empty = false;
  }
  void add_run(const T* x, int64_t pixels) {
    for (; pixels >= 8; pixels -= 8, x += 8 * channels) add<8>(x);
    if (pixels & 4) add<4>(x), x += 4 * channels;
    if (pixels & 2) add<2>(x), x += 2 * channels;
    if (pixels & 1) add<1>(x);
  }
  void divide(int64_t divisor) {
    const Vec<T> by = splat(static_cast<T>(divisor));
    for (int64_t c = 0; c < channels; c += kLanes<T>) {
      const int64_t lanes = channels - c < kLanes<T> ? channels - c : kLanes<T>;
      store_lanes(sum + c, load_lanes(sum + c, lanes, sum_end) / by, lanes, sum_end);
    }
  }
};

// The window of one output, and the pieces of its rows that are summed apart: 256 pixels in each, for
// parallel work on few outputs and for short chains of additions.
template <class T>
struct Windows {
  const AdaptiveAvgPool2dArgs<T>& a;
  int64_t outputs() const { return a.n * a.oh * a.ow; }
  int64_t pieces() const {
    const int64_t rows = a.ih / a.oh + (a.ih % a.oh != 0), cols = a.iw / a.ow + (a.iw % a.ow != 0);
    const int64_t count = (rows * cols + 255) / 256;
    return count < rows ? count : rows;
  }

  void sum_piece(int64_t output, int64_t piece, int64_t pieces, T* sum, const T* sum_end, bool divided) const {
    const Range rows = part(output / a.ow % a.oh, a.oh, a.ih), cols = part(output % a.ow, a.ow, a.iw);
    const int64_t begin = rows.begin + rows.size() * piece / pieces;
    const int64_t end = rows.begin + rows.size() * (piece + 1) / pieces;
    const T* image = a.x + output / (a.oh * a.ow) * a.ih * a.iw * a.c;
    PixelSum<T> total{a.c, a.x + a.n * a.ih * a.iw * a.c, sum, sum_end};
    if (cols.size() == a.iw) {
      total.add_run(image + begin * a.iw * a.c, (end - begin) * a.iw);
    } else {
      for (int64_t i = begin; i < end; ++i) total.add_run(image + (i * a.iw + cols.begin) * a.c, cols.size());
    }
    if (divided) total.divide(rows.size() * cols.size());
  }

  // y, or the pieces' sums where there is more than one.
  void sum_all(T* sums, int64_t pieces) const {
    const int64_t units = outputs() * pieces;
    const int64_t bytes = a.n * a.ih * a.iw * a.c * static_cast<int64_t>(sizeof(T));
    const Pieces blocks(units, 65536 / (bytes / units + 1) + 1);
    parallel_blocks(blocks.count, a.width, bytes, [&](int64_t block, int) {
      const T* end = sums + blocks.begin(block + 1) * a.c;
      for (int64_t u = blocks.begin(block); u < blocks.begin(block + 1); ++u)
        sum_piece(u / pieces, u % pieces, pieces, sums + u * a.c, end, pieces == 1);
    });
  }
  void run() const {
    if (outputs() * a.c == 0) return;
    const int64_t p = pieces();
    if (p == 1) return sum_all(a.y, 1);
    T* partial = static_cast<T*>(a.workspace);
    sum_all(partial, p);
    const Pieces blocks(outputs(), 65536 / (p * a.c * static_cast<int64_t>(sizeof(T))) + 1);
    parallel_blocks(
        blocks.count, a.width, outputs() * p * a.c * static_cast<int64_t>(sizeof(T)), [&](int64_t block, int) {
          for (int64_t o = blocks.begin(block); o < blocks.begin(block + 1); ++o) {
            PixelSum<T> total{a.c, partial + outputs() * p * a.c, a.y + o * a.c, a.y + blocks.begin(block + 1) * a.c};
            total.add_run(partial + o * p * a.c, p);
            const Range rows = part(o / a.ow % a.oh, a.oh, a.ih), cols = part(o % a.ow, a.ow, a.iw);
            total.divide(rows.size() * cols.size());
          }
        });
  }
};

template <class T>
int64_t workspace(const AdaptiveAvgPool2dArgs<T>& a) {
  const Windows<T> w{a};
  if (w.outputs() * a.c == 0 || w.pieces() == 1) return 0;
  return w.outputs() * w.pieces() * a.c * static_cast<int64_t>(sizeof(T));
}

// dy divided by the area of its window, once for all the pixels that it goes to.
template <class T>
void share(const AdaptiveAvgPool2dBackwardArgs<T>& a, T* shares) {
  const int64_t rows_in_all = a.n * a.oh, row = a.ow * a.c, row_bytes = row * static_cast<int64_t>(sizeof(T));
  const T* dy_end = a.dy + rows_in_all * row;
  const Pieces blocks(rows_in_all, 65536 / row_bytes + 1);
  parallel_blocks(blocks.count, a.width, 2 * rows_in_all * row_bytes, [&](int64_t block, int) {
    const T* end = shares + blocks.begin(block + 1) * row;
    for (int64_t r = blocks.begin(block); r < blocks.begin(block + 1); ++r)
      for (int64_t q = 0; q < a.ow; ++q) {
        const int64_t area = part(r % a.oh, a.oh, a.ih).size() * part(q, a.ow, a.iw).size();
        for (int64_t c = 0; c < a.c; c += kLanes<T>) {
          const int64_t at = r * row + q * a.c + c, lanes = a.c - c < kLanes<T> ? a.c - c : kLanes<T>;
          store_lanes(shares + at, load_lanes(a.dy + at, lanes, dy_end) / static_cast<T>(area), lanes, end);
        }
      }
  });
}

template <bool kStreaming, class T>
void gather(const AdaptiveAvgPool2dBackwardArgs<T>& a, const T* shares, const Range* columns) {
  constexpr int64_t kW = kLanes<T>;
  const int64_t rows_in_all = a.n * a.ih, row = a.iw * a.c, row_bytes = row * static_cast<int64_t>(sizeof(T));
  const T* shares_end = shares + a.n * a.oh * a.ow * a.c;
  const Pieces blocks(rows_in_all, 65536 / row_bytes + 1);
  parallel_blocks(blocks.count, a.width, 2 * rows_in_all * row_bytes, [&](int64_t block, int) {
    const T* dx_end = a.dx + blocks.begin(block + 1) * row;
    Range above{-1, -1};
    for (int64_t r = blocks.begin(block); r < blocks.begin(block + 1); ++r) {
      const Range ps = parts_of(r % a.ih, a.oh, a.ih);
      T* dx = a.dx + r * row;
      if (!kStreaming && r % a.ih > 0 && ps.begin == above.begin && ps.end == above.end) {
        __builtin_memcpy(dx, dx - row, row_bytes);
        continue;
      }
      above = ps;
      for (int64_t w = 0; w < a.iw; ++w, dx += a.c) {
        const Range qs = columns[w];
        const T* from = shares + ((r / a.ih * a.oh + ps.begin) * a.ow + qs.begin) * a.c;
        for_channels<T>(a.c, [&]<int NV>(int64_t c, int64_t lanes) {
          Vec<T> sum[NV] = {};
          for (int64_t p = 0; p < ps.size(); ++p)
            for (int64_t q = 0; q < qs.size(); ++q) {
              const T* share = from + (p * a.ow + q) * a.c + c;
              for (int u = 0; u < NV; ++u)
                sum[u] += NV > 1 ? load(share + u * kW) : load_lanes(share, lanes, shares_end);
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

template <class T>
int64_t backward_workspace(const AdaptiveAvgPool2dBackwardArgs<T>& a) {
  if (a.n * a.c == 0) return 0;
  return a.iw * static_cast<int64_t>(sizeof(Range)) + a.n * a.oh * a.ow * a.c * static_cast<int64_t>(sizeof(T));
}

template <class T>
void backward(const AdaptiveAvgPool2dBackwardArgs<T>& a) {
  if (a.n * a.c == 0) return;
  Range* columns = static_cast<Range*>(a.workspace);
  for (int64_t w = 0; w < a.iw; ++w) columns[w] = parts_of(w, a.ow, a.iw);
  T* shares = reinterpret_cast<T*>(columns + a.iw);
  if (a.oh * a.ow > 0) share(a, shares);
  if (can_stream_pixels(a.dx, a.n * a.ih * a.iw, a.c))
    gather<true>(a, shares, columns);
  else
    gather<false>(a, shares, columns);
}

}  // namespace

int64_t adaptive_avg_pool2d_workspace(const AdaptiveAvgPool2dArgs<float>& a) { return workspace(a); }
int64_t adaptive_avg_pool2d_workspace(const AdaptiveAvgPool2dArgs<double>& a) { return workspace(a); }
void adaptive_avg_pool2d_forward(const AdaptiveAvgPool2dArgs<float>& a) { Windows<float>{a}.run(); }
void adaptive_avg_pool2d_forward(const AdaptiveAvgPool2dArgs<double>& a) { Windows<double>{a}.run(); }
int64_t adaptive_avg_pool2d_input_gradient_workspace(const AdaptiveAvgPool2dBackwardArgs<float>& a) {
  return backward_workspace(a);
}
int64_t adaptive_avg_pool2d_input_gradient_workspace(const AdaptiveAvgPool2dBackwardArgs<double>& a) {
  return backward_workspace(a);
}
void adaptive_avg_pool2d_input_gradient(const AdaptiveAvgPool2dBackwardArgs<float>& a) { backward(a); }
void adaptive_avg_pool2d_input_gradient(const AdaptiveAvgPool2dBackwardArgs<double>& a) { backward(a); }

}  // namespace fastnn::FASTNN_ISA
