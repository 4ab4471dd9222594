#include "ops/layer_norm.h"

#include "cpu/channel_normalise.h"
#include "cpu/tile.h"

namespace fastnn::FASTNN_ISA {
namespace {

// A row is read from memory once, what follows finds it in L1 or L2.
template <class T>
FASTNN_INLINE int64_t rows_per_block(int64_t length) {
  return 65536 / (length * static_cast<int64_t>(sizeof(T)) + 1) + 1;
}

// f.operator()<NV, whole>(i, n) for the vectors of a row, NV at once; n valid lanes unless whole.
template <class T, int kAtOnceHere, class F>
FASTNN_INLINE void for_row(int64_t length, const F& f) {
  constexpr int64_t kW = kLanes<T>;
  int64_t i = 0;
  for (; i + kAtOnceHere * kW <= length; i += kAtOnceHere * kW) f.template operator()<kAtOnceHere, true>(i, kW);
  if constexpr (kAtOnceHere > 1)
    for (; i + kW <= length; i += kW) f.template operator()<1, true>(i, kW);
  if (i < length) f.template operator()<1, false>(i, length - i);
}

// The row itself, or one of a constant made in the workspace.
template <class T>
const T* row_or(const T* given, T fallback, int64_t length, T*& workspace) {
  if (given) return given;
  T* row = workspace;
  for (int64_t i = 0; i < length; ++i) row[i] = fallback;
  workspace += length;
  return row;
}
template <class T>
int64_t parameters_bytes(int64_t length) {
  return 2 * length * static_cast<int64_t>(sizeof(T)) + 64;
}

template <class T>
bool streams_rows(const T* out, int64_t rows, int64_t length) {
  return can_stream(out, rows * length) && length % kLanes<T> == 0;
}

// ---- forward ----

// Mean and variance in one pass over values shifted by the mean of the row's first vector (of its first value
// in a short row), so that a large mean costs no digits; a constant row has mean and variance without error.
template <class T>
FASTNN_INLINE void row_statistics(const LayerNormArgs<T>& a, int64_t r) {
  constexpr int64_t kW = kLanes<T>;
  const T* x = a.x + r * a.length;
  const T first = a.length >= kW ? sum_lanes<T>(load(x)) / static_cast<T>(kW) : x[0];
  const Vec<T> shift = splat(first);
  Vec<T> sums[4] = {}, squares[4] = {};
  for_row<T, 4>(a.length, [&]<int NV, bool kWhole>(int64_t i, int64_t n) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      const T* p = x + i + v * kW;
      prefetch_l2(p + kAhead<T>);
      Vec<T> d = load_some<kWhole>(p, n) - shift;
      if constexpr (!kWhole) d = select<T>(lane_numbers<T>() < static_cast<Int<T>>(n), d, Vec<T>{});
      sums[v] += d;
      squares[v] = fma(d, d, squares[v]);
    }
  });
  const double n = static_cast<double>(a.length);
  const double sum = static_cast<double>(sum_lanes<T>((sums[0] + sums[1]) + (sums[2] + sums[3])));
  const double square = static_cast<double>(sum_lanes<T>((squares[0] + squares[1]) + (squares[2] + squares[3])));
  const double offset = sum / n, mean = static_cast<double>(first) + offset;
  const double m2 = squared_deviations(sum, offset, square);
  a.mean[r] = static_cast<T>(mean);
  a.mean_low[r] = static_cast<T>(mean - static_cast<double>(a.mean[r]));
  a.rstd[r] = static_cast<T>(1 / __builtin_sqrt(m2 / n + a.eps));
}

template <class T, Activation A, bool kResidual>
void forward_rows(const LayerNormArgs<T> a, const T* weight, const T* bias, int64_t begin, int64_t end,
                  bool streaming) {
  constexpr int64_t kW = kLanes<T>;
  const Vec<T> parameter = splat(a.activation_parameter);
  for (int64_t r = begin; r < end; ++r) {
    row_statistics(a, r);
    const Vec<T> mean = splat(a.mean[r]), rstd = splat(a.rstd[r]), low = splat(-a.mean_low[r] * a.rstd[r]);
    const T *x = a.x + r * a.length, *residual = kResidual ? a.residual + r * a.length : nullptr;
    T* y = a.y + r * a.length;
    for_row<T, kAtOnce<A>>(a.length, [&]<int NV, bool kWhole>(int64_t i, int64_t n) {
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) {
        const int64_t at = i + v * kW;
        const Vec<T> xhat = fma(load_some<kWhole>(x + at, n) - mean, rstd, low);
        Vec<T> z = fma(xhat, load_some<kWhole>(weight + at, n), load_some<kWhole>(bias + at, n));
        if constexpr (kResidual) {
          prefetch_l2(residual + at + kAhead<T>);
          z += load_some<kWhole>(residual + at, n);
        }
        put_some<kWhole>(y + at, activate<A, T>(z, parameter), n, streaming);
      }
    });
  }
  if (streaming) stream_fence();
}

template <class T>
void forward(const LayerNormArgs<T>& a) {
  T* workspace = static_cast<T*>(a.workspace);
  const T *weight = row_or(a.weight, T{1}, a.length, workspace), *bias = row_or(a.bias, T{0}, a.length, workspace);
  const bool streaming = streams_rows(a.y, a.rows, a.length);
  const Pieces blocks(a.rows, rows_per_block<T>(a.length));
  const int64_t bytes = (a.residual ? 3 : 2) * a.rows * a.length * static_cast<int64_t>(sizeof(T));
  with_activation(a.activation, [&]<Activation A>() {
    parallel_blocks(blocks.count, a.width, bytes, [&](int64_t block, int) {
      const int64_t begin = blocks.begin(block), end = blocks.begin(block + 1);
      if (a.residual)
        forward_rows<T, A, true>(a, weight, bias, begin, end, streaming);
      else
        forward_rows<T, A, false>(a, weight, bias, begin, end, streaming);
    });
  });
}

// ---- backward ----

// Rows taken at once: they share the loads and stores of the sums for dweight and dbias.
inline constexpr int kRows = 2;

// Blocks have partial sums of their own: few enough that adding them up does not show, at most 64.
template <class T>
Pieces gradient_blocks(int64_t rows, int64_t length) {
  int64_t most = 2 * rows_per_block<T>(length);
  if (most < 32) most = 32;
  if (most < (rows + 63) / 64) most = (rows + 63) / 64;
  return Pieces(rows, most);
}

template <class T>
struct RowFactors {
  Vec<T> mean, rstd, low, slope, constant;
};

template <class T, Activation A, Source kSource>
struct LayerGradient {
  LayerNormBackwardArgs<T> a;
  const T *weight, *bias;

  // dz = dy * act'(y), and xhat.
  template <bool kWhole>
  FASTNN_MEMBER Vec<T> gradient(int64_t at, int64_t i, int64_t n, const RowFactors<T>& f, Vec<T>& xhat) const {
    xhat = fma(load_some<kWhole>(a.x + at, n) - f.mean, f.rstd, f.low);
    const Vec<T> dy = load_some<kWhole>(a.dy + at, n);
    if constexpr (A == Activation::none) return dy;
    const Vec<T> y = kSource == Source::x ? fma(xhat, load_some<kWhole>(weight + i, n), load_some<kWhole>(bias + i, n))
                                          : load_some<kWhole>(a.y + at, n);
    return activate_backward<A, T>(dy, y, splat(a.activation_parameter));
  }

  // The means of g = dz weight and of g xhat over a row.
  FASTNN_MEMBER void means(int64_t r, RowFactors<T>& f) const {
    constexpr int64_t kW = kLanes<T>;
    f.mean = splat(a.mean[r]), f.rstd = splat(a.rstd[r]), f.low = splat(-a.mean_low[r] * a.rstd[r]);
    Vec<T> sum[2] = {}, product[2] = {};
    for_row<T, 2>(a.length, [&]<int NV, bool kWhole>(int64_t i, int64_t n) {
#pragma GCC unroll 2
      for (int v = 0; v < NV; ++v) {
        const int64_t lane = i + v * kW, at = r * a.length + lane;
        prefetch_l2(a.x + at + kAhead<T>);
        prefetch_l2(a.dy + at + kAhead<T>);
        Vec<T> xhat;
        Vec<T> g = gradient<kWhole>(at, lane, n, f, xhat) * load_some<kWhole>(weight + lane, n);
        sum[v] += g;
        if constexpr (!kWhole)  // lanes without a value: 0 times whatever xhat is there
          xhat = select<T>(lane_numbers<T>() < static_cast<Int<T>>(n), xhat, Vec<T>{});
        product[v] = fma(g, xhat, product[v]);
      }
    });
    const double length = static_cast<double>(a.length), rstd = static_cast<double>(a.rstd[r]);
    const double mean = static_cast<double>(sum_lanes<T>(sum[0] + sum[1])) / length;
    const double share = static_cast<double>(sum_lanes<T>(product[0] + product[1])) / length;
    f.constant = splat(static_cast<T>(-rstd * mean));
    f.slope = splat(static_cast<T>(-rstd * share));
  }

  // dx = rstd g + slope xhat + constant for R rows; dweight += dz xhat, dbias += dz.
  template <int R>
  FASTNN_MEMBER void rows(int64_t r, T* dweight, T* dbias, bool streaming) const {
    RowFactors<T> f[R];
#pragma GCC unroll 4
    for (int k = 0; k < R; ++k) means(r + k, f[k]);
    for_row<T, 1>(a.length, [&]<int, bool kWhole>(int64_t i, int64_t n) {
      const Vec<T> w = load_some<kWhole>(weight + i, n);
      Vec<T> dw = load_some<kWhole>(dweight + i, n), db = load_some<kWhole>(dbias + i, n);
#pragma GCC unroll 4
      for (int k = 0; k < R; ++k) {
        const int64_t at = (r + k) * a.length + i;
        Vec<T> xhat;
        const Vec<T> dz = gradient<kWhole>(at, i, n, f[k], xhat);
        db += dz;
        dw = fma(dz, xhat, dw);
        if (a.dresidual) put_some<kWhole>(a.dresidual + at, dz, n, streaming);
        const Vec<T> dx = normalise_gradient<T>(dz * w, xhat, f[k].rstd, f[k].slope, f[k].constant);
        put_some<kWhole>(a.dx + at, dx, n, streaming);
      }
      put_some<kWhole>(dweight + i, dw, n);
      put_some<kWhole>(dbias + i, db, n);
    });
  }

  void block(int64_t begin, int64_t end, T* partial, bool streaming) const {
    for (int64_t i = 0; i < 2 * a.length; ++i) partial[i] = 0;
    int64_t r = begin;
    for (; r + kRows <= end; r += kRows) rows<kRows>(r, partial, partial + a.length, streaming);
    for (; r < end; ++r) rows<1>(r, partial, partial + a.length, streaming);
    if (streaming) stream_fence();
  }
};

template <class T>
int64_t backward_bytes(const LayerNormBackwardArgs<T>& a) {
  const int64_t partials = gradient_blocks<T>(a.rows, a.length).count * 2 * a.length;
  return parameters_bytes<T>(a.length) + partials * static_cast<int64_t>(sizeof(T));
}

// The blocks' sums, added in their order in double, 512 columns a task.
template <class T>
void add_partials(const LayerNormBackwardArgs<T>& a, const T* partials, int64_t blocks) {
  const int64_t columns = 512, size = 2 * a.length;
  parallel_blocks((size + columns - 1) / columns, a.width, blocks * size * static_cast<int64_t>(sizeof(T)),
                  [&](int64_t task, int) {
                    double sums[columns] = {};
                    const int64_t begin = task * columns, count = size - begin < columns ? size - begin : columns;
                    for (int64_t b = 0; b < blocks; ++b)
                      for (int64_t i = 0; i < count; ++i)
                        sums[i] += static_cast<double>(partials[b * size + begin + i]);
                    for (int64_t i = 0; i < count; ++i) {
                      const int64_t at = begin + i;
                      T* out = at < a.length ? a.dweight : a.dbias;
                      if (out) out[at % a.length] = static_cast<T>(sums[i]);
                    }
                  });
}

template <class T>
void backward(const LayerNormBackwardArgs<T>& a) {
  T* workspace = static_cast<T*>(a.workspace);
  const T *weight = row_or(a.weight, T{1}, a.length, workspace), *bias = row_or(a.bias, T{0}, a.length, workspace);
  const Pieces blocks = gradient_blocks<T>(a.rows, a.length);
  const bool streaming =
      streams_rows(a.dx, a.rows, a.length) && (!a.dresidual || streams_rows(a.dresidual, a.rows, a.length));
  const int64_t bytes = (a.dresidual ? 4 : 3) * a.rows * a.length * static_cast<int64_t>(sizeof(T));
  with_gradient(a, [&]<Activation A, Source kSource>() {
    const LayerGradient<T, A, kSource> gradient{a, weight, bias};
    parallel_blocks(blocks.count, a.width, bytes, [&](int64_t block, int) {
      gradient.block(blocks.begin(block), blocks.begin(block + 1), workspace + block * 2 * a.length, streaming);
    });
  });
  add_partials(a, workspace, blocks.count);
}

}  // namespace

int64_t layer_norm_workspace(const LayerNormArgs<float>& a) { return parameters_bytes<float>(a.length); }
int64_t layer_norm_workspace(const LayerNormArgs<double>& a) { return parameters_bytes<double>(a.length); }
void layer_norm_forward(const LayerNormArgs<float>& a) { forward(a); }
void layer_norm_forward(const LayerNormArgs<double>& a) { forward(a); }
int64_t layer_norm_backward_workspace(const LayerNormBackwardArgs<float>& a) { return backward_bytes(a); }
int64_t layer_norm_backward_workspace(const LayerNormBackwardArgs<double>& a) { return backward_bytes(a); }
void layer_norm_backward(const LayerNormBackwardArgs<float>& a) { backward(a); }
void layer_norm_backward(const LayerNormBackwardArgs<double>& a) { backward(a); }

}  // namespace fastnn::FASTNN_ISA
