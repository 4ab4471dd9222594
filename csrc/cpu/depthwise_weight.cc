// The weight gradient of a depthwise convolution: the taps of a filter are accumulators, x and dy go by.
#include "core/parallel.h"
#include "cpu/depthwise.h"
#include "cpu/depthwise_planes.h"
#include "cpu/pixels.h"
#include "cpu/tile.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Rows of one image for one vector of channels.
template <class T>
struct Rows {
  const T *x, *x_end;  // column 0 of image row 0
  const T *dy, *dy_end;
  int64_t ih, iw, x_pixel;
  int64_t top, left;  // of the first tap of the first output
  int64_t stride_h, stride_w, dilation_h;
  int64_t count, ow, dy_pixel, lanes;
  T *sums, *bias;  // a vector a tap; the bias may be null
  int64_t sums_row;
  const T *x_ahead, *dy_ahead;  // what will be read next
  int64_t x_lines;              // how many of x for each pixel
};

template <class T, int KH, int KW, int P, int Q>
struct Sums {
  Vec<T> tap[KH][KW][Q];
  Vec<T> bias;
};

// Stride S, or the given one if S is 0 (then a column is loaded for each pixel).
template <class T, int KH, int KW, int S, int P, int Q, bool kWhole, bool kInside>
FASTNN_INLINE void add_block(const Rows<T>& r, const T* dy_row, int64_t top, int64_t q, int64_t m,
                             Sums<T, KH, KW, P, Q>& sums) {
  const int64_t stride = S > 0 ? S : r.stride_w, col = q * stride + r.left;
  Vec<T> dy[P];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) {
    const T* at = dy_row + (q + p) * r.dy_pixel;
    dy[p] = !kInside && p >= m ? Vec<T>{} : kWhole ? load(at) : load_lanes(at, r.lanes, r.dy_end);
  }
  auto column = [&](const T* row, int64_t c) {
    if (!kInside && (c < 0 || c >= r.iw)) return Vec<T>{};
    return kWhole ? load(row + c * r.x_pixel) : load_lanes(row + c * r.x_pixel, r.lanes, r.x_end);
  };
#pragma GCC unroll 3
  for (int i = 0; i < KH; ++i) {
    const int64_t h = top + i * r.dilation_h;
    if (h < 0 || h >= r.ih) continue;
    const T* row = r.x + h * r.iw * r.x_pixel;
    constexpr int kSpan = S > 0 ? (P - 1) * S + KW : P;
    Vec<T> x[kSpan];
#pragma GCC unroll 16
    for (int t = 0; t < kSpan; ++t) {
      x[t] = column(row, col + (S > 0 ? t : t * stride));
      keep(x[t]);
    }
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
      for (int j = 0; j < KW; ++j) sums.tap[i][j][p % Q] = fma(x[S > 0 ? p * S + j : p], dy[p], sums.tap[i][j][p % Q]);
  }
  if (r.bias)
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) sums.bias += dy[p];
}

template <class T, int KH, int KW, int S, int P, int Q, bool kWhole>
void add_rows(const Rows<T>& r) {
  const int64_t stride = S > 0 ? S : r.stride_w;
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(T));
  Sums<T, KH, KW, P, Q> sums{};
  for (int64_t i = 0; i < r.count; ++i) {
    const T* dy = r.dy + i * r.ow * r.dy_pixel;
    const int64_t top = r.top + i * r.stride_h;
    for (int64_t q = 0; q < r.ow; q += P) {
      const int64_t m = r.ow - q < P ? r.ow - q : P;
      const int64_t first = q * stride + r.left, last = first + (P - 1) * stride + KW - 1;
      if (r.x_ahead)
        for (int64_t p = i * r.ow + q; p < i * r.ow + q + m; ++p) {
          prefetch_l2(r.dy_ahead + p * kLine);
          for (int64_t k = 0; k < r.x_lines; ++k) prefetch_l2(r.x_ahead + (p * r.x_lines + k) * kLine);
        }
      if (m == P && first >= 0 && last < r.iw)
        add_block<T, KH, KW, S, P, Q, kWhole, true>(r, dy, top, q, m, sums);
      else
        add_block<T, KH, KW, S, P, Q, kWhole, false>(r, dy, top, q, m, sums);
    }
  }
#pragma GCC unroll 3
  for (int i = 0; i < KH; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < KW; ++j) {
      T* to = r.sums + i * r.sums_row + j * kLanes<T>;
      Vec<T> total = sums.tap[i][j][0];
#pragma GCC unroll 4
      for (int k = 1; k < Q; ++k) total += sums.tap[i][j][k];
      store(to, load(to) + total);
    }
  if (r.bias) store(r.bias, load(r.bias) + sums.bias);
}

template <class T>
struct Kernel {
  int64_t rows, cols;  // taps at once
  void (*whole)(const Rows<T>&);
  void (*cut)(const Rows<T>&);
};
template <class T, int KH, int KW, int S, int P, int Q>
constexpr Kernel<T> kernel() {
  return {KH, KW, &add_rows<T, KH, KW, S, P, Q, true>, &add_rows<T, KH, KW, S, P, Q, false>};
}

template <class T>
Kernel<T> kernel_for(const Conv2dArgs<T>& a) {
  // Pixels of a block so that taps, dy and the columns of x fit the registers.
  constexpr int kMany = kVectorBytes == 64 ? 8 : 4, kFew = kVectorBytes == 64 ? 4 : 2;
  if constexpr (sizeof(T) == 4) {
    if (a.dilation_w == 1 && a.stride_w == 1) {
      if (a.kw == 3 && a.kh % 3 == 0) return kernel<T, 3, 3, 1, kMany, 1>();
      if (a.kw == 5) return kernel<T, 1, 5, 1, kMany, 1>();
      if (a.kw == 7) return kernel<T, 1, 7, 1, kMany, 1>();
    }
    if (a.dilation_w == 1 && a.stride_w == 2) {
      if (a.kw == 3 && a.kh % 3 == 0) return kernel<T, 3, 3, 2, kFew, 1>();
      if (a.kw == 5) return kernel<T, 1, 5, 2, kFew, 1>();
    }
  }
  return kernel<T, 1, 1, 0, kMany, 4>();
}

template <class T>
struct Gradient {
  static constexpr int64_t kW = kLanes<T>;
  const Conv2dArgs<T>& a;

  int64_t vectors() const { return (a.ci + kW - 1) / kW; }
  int64_t taps() const { return a.kh * a.kw; }
  int64_t sums_size() const { return vectors() * (taps() + 1) * kW; }  // of a part: the taps, then the bias
  // At most 16 parts, summed in order, of 256 pixels or more.
  Pieces parts() const {
    const int64_t rows = a.n * a.oh, fewest = a.ow > 0 ? (256 + a.ow - 1) / a.ow : 1, share = (rows + 15) / 16;
    return Pieces(rows, share > fewest ? share : fewest);
  }
  // Vectors of channels of a task.
  int64_t strip() const {
    const int64_t count = parts().count, shares = count < 16 && count > 0 ? (16 + count - 1) / count : 1;
    return shares < vectors() ? (vectors() + shares - 1) / shares : 1;
  }
  // Some 128 pixels at once for each vector, so that the taps need not be loaded anew for each row; half of
  // that where x and dy go to planes, which are to stay in L2.
  int64_t band() const {
    const int64_t pixels = wants_planes<T>(a.ci) ? 64 : 128;
    const int64_t rows = a.ow > 0 && pixels / a.ow > 1 ? pixels / a.ow : 1;
    return rows < a.oh ? rows : a.oh;
  }
  int64_t x_plane() const {
    const int64_t rows = (band() - 1) * a.stride_h + (a.kh - 1) * a.dilation_h + 1;
    return plane_size<T>((rows < a.ih ? rows : a.ih) * a.iw);
  }
  int64_t dy_plane() const { return plane_size<T>(band() * a.ow); }
  int64_t scratch_size() const { return wants_planes<T>(a.ci) ? strip() * (x_plane() + dy_plane()) : 0; }
  int64_t bytes() const {
    return (parts().count * sums_size() + a.width * scratch_size()) * static_cast<int64_t>(sizeof(T));
  }

  // Adds output rows [row, row + count) of one image for vectors [begin, end), from planes.
  void add_strips(int64_t row, int64_t count, int64_t begin, int64_t end, T* sums, T* scratch) const {
    const int64_t image = row / a.oh, top = row % a.oh * a.stride_h - a.pad_top;
    const int64_t bottom = top + (count - 1) * a.stride_h + (a.kh - 1) * a.dilation_h + 1;
    const int64_t first = top < 0      ? 0
                          : top < a.ih ? top
                                       : a.ih,
                  last = bottom < first  ? first
                         : bottom < a.ih ? bottom
                                         : a.ih;
    T* dy = scratch + strip() * x_plane();
    copy_planes(a.x + (image * a.ih + first) * a.iw * a.ci + begin * kW, a.ci, (last - first) * a.iw, end - begin,
                x_plane(), scratch);
    copy_planes(a.dy + row * a.ow * a.ci + begin * kW, a.ci, count * a.ow, end - begin, dy_plane(), dy);
    add(row, count, begin, end, {scratch - first * a.iw * kW, dy, kW, x_plane(), dy_plane()}, sums);
  }

  // Row 0 of x and the first row of dy for vector `begin`, in the arrays or in planes.
  struct Source {
    const T *x, *dy;
    int64_t pixel, x_vector, dy_vector;  // elements between
  };

  // Adds output rows [row, row + count) of one image for vectors [begin, end).
  void add(int64_t row, int64_t count, int64_t begin, int64_t end, const Source& from, T* sums) const {
    const Kernel<T> k = kernel_for(a);
    const int64_t h = row % a.oh;
    Rows<T> r{};
    r.x_end = a.x + a.n * a.ih * a.iw * a.ci;
    r.dy_end = a.dy + a.n * a.oh * a.ow * a.ci;
    r.ih = a.ih, r.iw = a.iw, r.x_pixel = r.dy_pixel = from.pixel;
    r.stride_h = a.stride_h, r.stride_w = a.stride_w, r.dilation_h = a.dilation_h;
    r.count = count, r.ow = a.ow;
    r.sums_row = a.kw * kW;
    r.x_lines = a.stride_h * a.stride_w;
    constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(T));
    const int64_t bottom = (h + count) * a.stride_h - a.pad_top + (a.kh - 1) * a.dilation_h;
    const T* x_next = a.x + (row / a.oh * a.ih + bottom) * a.iw * a.ci;
    const T* dy_next = a.dy + (row + count) * a.ow * a.ci;
    const int64_t dy_vector = count * a.ow * kLine, x_vector = dy_vector * r.x_lines;
    for (int64_t v = begin; v < end; ++v) {
      const int64_t left = a.ci - v * kW;
      r.x = from.x + (v - begin) * from.x_vector, r.dy = from.dy + (v - begin) * from.dy_vector;
      r.lanes = left < kW ? left : kW;
      T* mine = sums + v * (taps() + 1) * kW;
      for (int64_t i = 0; i < a.kh; i += k.rows)
        for (int64_t j = 0; j < a.kw; j += k.cols) {
          const bool first_taps = i == 0 && j == 0;
          r.top = h * a.stride_h - a.pad_top + i * a.dilation_h;
          r.left = j * a.dilation_w - a.pad_left;
          r.sums = mine + (i * a.kw + j) * kW;
          r.bias = a.dbias && first_taps ? mine + taps() * kW : nullptr;
          r.x_ahead = first_taps ? x_next + v * x_vector : nullptr;
          r.dy_ahead = dy_next + v * dy_vector;
          (left < kW ? k.cut : k.whole)(r);
        }
    }
  }

  void run() const {
    const Pieces part = parts();
    const Pieces strips(vectors(), strip());
    T* sums = static_cast<T*>(a.workspace);
    T* scratch = sums + part.count * sums_size();
    const int64_t cost = a.n * a.oh * a.ow * a.ci * (taps() + 8) / 4;
    parallel_blocks(part.count * strips.count, a.width, cost, [&](int64_t task, int worker) {
      const int64_t p = task / strips.count, s = task % strips.count;
      const int64_t begin = strips.begin(s), end = strips.begin(s + 1), stride = (taps() + 1) * kW;
      T* mine = sums + p * sums_size();
      for (int64_t i = begin * stride; i < end * stride; ++i) mine[i] = 0;
      for (int64_t row = part.begin(p), count; row < part.begin(p + 1); row += count) {
        count = part.begin(p + 1) - row;
        if (count > band()) count = band();
        if (count > a.oh - row % a.oh) count = a.oh - row % a.oh;
        if (wants_planes<T>(a.ci)) {
          add_strips(row, count, begin, end, mine, scratch + worker * scratch_size());
        } else {
          const T* x = a.x + row / a.oh * a.ih * a.iw * a.ci + begin * kW;
          add(row, count, begin, end, {x, a.dy + row * a.ow * a.ci + begin * kW, a.ci, kW, kW}, mine);
        }
      }
    });
    parallel_blocks(vectors(), a.width, bytes(), [&](int64_t v, int) {
      const int64_t left = a.ci - v * kW, lanes = left < kW ? left : kW;
      for (int64_t k = 0; k < taps() + 1; ++k) {
        Vec<T> total{};
        for (int64_t p = 0; p < part.count; ++p) total += load(sums + p * sums_size() + (v * (taps() + 1) + k) * kW);
        if (k == taps()) {
          if (a.dbias) store_n(a.dbias + v * kW, total, lanes);
        } else {
          T* dw = a.dweight + v * kW * a.weight_strides.out + k / a.kw * a.weight_strides.kh +
                  k % a.kw * a.weight_strides.kw;
          T lane[kW];
          store(lane, total);
          for (int64_t l = 0; l < lanes; ++l) dw[l * a.weight_strides.out] = lane[l];
        }
      }
    });
  }
};

}  // namespace

#define FASTNN_DEPTHWISE_WEIGHT(T)                                         \
  template <>                                                              \
  int64_t depthwise_weight_gradient_workspace<T>(const Conv2dArgs<T>& a) { \
    return Gradient<T>{a}.bytes();                                         \
  }                                                                        \
  template <>                                                              \
  void depthwise_weight_gradient<T>(const Conv2dArgs<T>& a) {              \
    Gradient<T>{a}.run();                                                  \
  }
FASTNN_DEPTHWISE_WEIGHT(float)
FASTNN_DEPTHWISE_WEIGHT(double)

}  // namespace fastnn::FASTNN_ISA
