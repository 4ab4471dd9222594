#include "ops/adaptive_avg_pool2d.h"

#include "cpu/pixels.h"
#include "cpu/tile.h"
#include "formulas/adaptive_avg_pool2d.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Pixels of an image: `count` side by side in each of `rows` rows that are `pitch` elements apart.
template <class T>
struct Stretch {
  const T* first;
  int64_t rows, count, pitch;
};

// sum (+)= the pixels of s, / divisor.
template <class T>
FASTNN_INLINE void add_pixels(Stretch<T> s, int64_t channels, const T* x_end, bool empty, T divisor, T* sum,
                              const T* sum_end) {
  constexpr int kW = kLanes<T>;
  for_channels<T>(channels, [&]<int NV>(int64_t c, int64_t lanes) {
    const auto read = [&](const T* p, const T* end) { return NV > 1 ? load(p) : load_lanes(p, lanes, end); };
    Vec<T> total[NV] = {};
    if (!empty)
      for (int u = 0; u < NV; ++u) total[u] = read(sum + c + u * kW, sum_end);
    for (int64_t i = 0; i < s.rows; ++i) {
      const T* x = s.first + i * s.pitch + c;
      for (int64_t j = 0; j < s.count; ++j, x += channels)
        for (int u = 0; u < NV; ++u) total[u] += read(x + u * kW, x_end);
    }
    for (int u = 0; u < NV; ++u) {
      if constexpr (NV > 1)
        store(sum + c + u * kW, total[u] / divisor);
      else
        store_lanes(sum + c, total[u] / divisor, lanes, sum_end);
    }
  });
}

// sum = all pixels of s / divisor. They are read 16 KB at a time, which stay in L1 while one group of
// channels after the other is summed in registers.
template <class T>
FASTNN_INLINE void sum_pixels(Stretch<T> s, int64_t channels, const T* x_end, T divisor, T* sum, const T* sum_end) {
  const int64_t pixels = 16384 / (channels * static_cast<int64_t>(sizeof(T))) + 4;
  const int64_t count = s.count < pixels ? s.count : pixels, rows = pixels / count;
  for (int64_t i = 0; i < s.rows; i += rows)
    for (int64_t j = 0; j < s.count; j += count) {
      const Stretch<T> part{s.first + i * s.pitch + j * channels, s.rows - i < rows ? s.rows - i : rows,
                            s.count - j < count ? s.count - j : count, s.pitch};
      const bool last = i + rows >= s.rows && j + count >= s.count;
      add_pixels(part, channels, x_end, i + j == 0, last ? divisor : T{1}, sum, sum_end);
    }
}

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
  Part rows(int64_t output) const { return part(output / a.ow % a.oh, a.oh, a.ih); }
  Part cols(int64_t output) const { return part(output % a.ow, a.ow, a.iw); }
  T area(int64_t output) const { return static_cast<T>(rows(output).size() * cols(output).size()); }

  Stretch<T> stretch(int64_t output, int64_t piece, int64_t pieces) const {
    const Part r = rows(output), k = cols(output);
    const int64_t begin = r.begin + r.size() * piece / pieces, end = r.begin + r.size() * (piece + 1) / pieces;
    const T* image = a.x + output / (a.oh * a.ow) * a.ih * a.iw * a.c;
    return {image + (begin * a.iw + k.begin) * a.c, end - begin, k.size(), a.iw * a.c};
  }

  void run() const {
    if (outputs() * a.c == 0) return;
    const int64_t p = pieces(), units = outputs() * p, channels = a.c;
    const int64_t bytes = a.n * a.ih * a.iw * channels * static_cast<int64_t>(sizeof(T));
    T* sums = p == 1 ? a.y : static_cast<T*>(a.workspace);
    const T* x_end = a.x + a.n * a.ih * a.iw * channels;
    const Pieces blocks(units, 65536 / (bytes / units + 1) + 1);
    parallel_blocks(blocks.count, a.width, bytes, [&](int64_t block, int) {
      const T* end = sums + blocks.begin(block + 1) * channels;
      for (int64_t u = blocks.begin(block); u < blocks.begin(block + 1); ++u)
        sum_pixels(stretch(u / p, u % p, p), channels, x_end, p == 1 ? area(u) : T{1}, sums + u * channels, end);
    });
    if (p == 1) return;
    const Pieces rests(outputs(), 65536 / (p * channels * static_cast<int64_t>(sizeof(T))) + 1);
    parallel_blocks(rests.count, a.width, units * channels * static_cast<int64_t>(sizeof(T)), [&](int64_t block, int) {
      const T* end = a.y + rests.begin(block + 1) * channels;
      for (int64_t o = rests.begin(block); o < rests.begin(block + 1); ++o)
        sum_pixels<T>({sums + o * p * channels, 1, p, 0}, channels, sums + units * channels, area(o),
                      a.y + o * channels, end);
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
void gather(const AdaptiveAvgPool2dBackwardArgs<T>& args, const T* shares, const Part* columns) {
  constexpr int64_t kW = kLanes<T>;
  const int64_t rows_in_all = args.n * args.ih, row = args.iw * args.c,
                row_bytes = row * static_cast<int64_t>(sizeof(T));
  const T* shares_end = shares + args.n * args.oh * args.ow * args.c;
  const Pieces blocks(rows_in_all, 65536 / row_bytes + 1);
  parallel_blocks(blocks.count, args.width, 2 * rows_in_all * row_bytes, [&](int64_t block, int) {
    const AdaptiveAvgPool2dBackwardArgs<T> a = args;  // a copy, which no store can alias
    const T* dx_end = a.dx + blocks.begin(block + 1) * row;
    Part above{-1, -1};
    for (int64_t r = blocks.begin(block); r < blocks.begin(block + 1); ++r) {
      const Part ps = parts_of(r % a.ih, a.oh, a.ih);
      T* dx = a.dx + r * row;
      if (!kStreaming && r % a.ih > 0 && ps.begin == above.begin && ps.end == above.end) {
        __builtin_memcpy(dx, dx - row, row_bytes);
        continue;
      }
      above = ps;
      for (int64_t w = 0; w < a.iw; ++w, dx += a.c) {
        const Part qs = columns[w];
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
  return a.iw * static_cast<int64_t>(sizeof(Part)) + a.n * a.oh * a.ow * a.c * static_cast<int64_t>(sizeof(T));
}

template <class T>
void backward(const AdaptiveAvgPool2dBackwardArgs<T>& a) {
  if (a.n * a.c == 0) return;
  Part* columns = static_cast<Part*>(a.workspace);
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
