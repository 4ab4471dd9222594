#include "ops/batch_norm.h"

#include "cpu/activation_math.h"
#include "cpu/channel_rows.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
using Rows = ChannelRows<T>;

// What lies a page ahead is asked for, because the hardware's own prefetching ends with the page (measured:
// 10 to 30 % of the backward pass at 256 channels and more).
template <class T>
inline constexpr int64_t kAhead = 4096 / sizeof(T);

// Two sums over the rows for every channel, of whatever pair `terms` gives for a vector: each block sums
// in T, lane by lane, the blocks' lanes are folded to channels in double.
// Workspace: 2 doubles a channel and block, then 2 (+1 for the caller) parameter rows a worker.
template <class T, class Setup, class Terms>
void sum_pairs(const Rows<T>& rows, int width, int64_t bytes, double* sums, T* lanes, const Setup& setup,
               const Terms& terms) {
  const int64_t row = rows.row_size(), channels = rows.channels;
  parallel_blocks(rows.blocks, width, bytes, [&](int64_t block, int worker) {
    T* first = lanes + worker * 3 * row;
    T* second = first + row;
    T* own = second + row;
    setup(block, own);
    // Columns of strips, their sums in registers: kept in memory, 512-bit stores would be forwarded to
    // loads of x at the same place of another page (measured: half the speed at 128 channels and more). A tile
    // of strips at a time, while the next one is asked for in the order of memory.
    const int64_t begin = block * rows.per_block;
    const int64_t end = begin + rows.per_block < rows.strips ? begin + rows.per_block : rows.strips;
    const int64_t rest = block == rows.blocks - 1 ? rows.rest : 0;
    for (int64_t i = 0; i < 2 * row; ++i) first[i] = 0;
    constexpr int64_t kW = kLanes<T>;
    for (int64_t tile = begin; tile < end || tile == begin; tile += rows.per_tile) {
      const int64_t stop = tile + rows.per_tile < end ? tile + rows.per_tile : end;
      int64_t ahead = stop * rows.length;
      auto column = [&]<int kVectors, bool kWhole>(int64_t lane, int64_t n) {
        Vec<T> a[kVectors], b[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          a[v] = load_some<kWhole>(first + lane + v * kW, n);
          b[v] = load_some<kWhole>(second + lane + v * kW, n);
        }
        for (int64_t s = tile; s < stop; ++s, ahead += kVectors * kW)
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v)
            terms.template operator()<kWhole>(s * rows.length + lane + v * kW, lane + v * kW, n, own, ahead + v * kW,
                                              a[v], b[v]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          const int64_t at = lane + v * kW, left = rest - at < kW ? rest - at : kW;
          if (stop == end && left > 0)
            terms.template operator()<false>(rows.strips * rows.length + at, at, left, own, ahead, a[v], b[v]);
          put_some<kWhole>(first + at, a[v], n);
          put_some<kWhole>(second + at, b[v], n);
        }
      };
      int64_t lane = 0;
      for (; lane + 4 * kW <= rows.length; lane += 4 * kW) column.template operator()<4, true>(lane, kW);
      for (; lane + kW <= rows.length; lane += kW) column.template operator()<1, true>(lane, kW);
      if (lane < rows.length) column.template operator()<1, false>(lane, rows.length - lane);
    }
    double* out = sums + block * 2 * channels;
    for (int64_t c = 0; c < channels; ++c) out[c] = out[channels + c] = 0;
    for (int64_t i = 0; i < rows.length; i += channels)
      for (int64_t c = 0; c < channels; ++c) {
        out[c] += static_cast<double>(first[i + c]);
        out[channels + c] += static_cast<double>(second[i + c]);
      }
    stream_fence();  // of what terms may have streamed
  });
}

template <class T>
int64_t sums_bytes(const Rows<T>& rows, int width) {
  return rows.blocks * 2 * rows.channels * static_cast<int64_t>(sizeof(double)) +
         width * 3 * rows.row_size() * static_cast<int64_t>(sizeof(T));
}

// Strips taken at once: four share the loads of the parameters; where an exponential is computed those
// loads do not show, and four copies of it would only make the code long.
template <Activation A>
inline constexpr int kAtOnce = A == Activation::elu || A == Activation::sigmoid || A == Activation::tanh ? 1 : 4;

// ---- forward ----

// Mean and variance in one pass: every block's values are shifted by its first row, so that a large mean
// costs no digits, and the blocks are merged by Chan's formula (Chan, Golub, LeVeque 1979) in double.
template <class T>
void batch_statistics(const BatchNormArgs<T>& a, const Rows<T>& rows, double* mean, double* m2, double* sums,
                      T* lanes) {
  const int64_t channels = a.channels;
  const int64_t block_elements = rows.per_block * rows.length;
  sum_pairs(
      rows, a.width, a.rows * channels * static_cast<int64_t>(sizeof(T)), sums, lanes,
      [&](int64_t block, T* shift) { rows.repeat(a.x + block * block_elements, 0, shift); },
      [&]<bool kWhole>(int64_t offset, int64_t lane, int64_t n, const T* shift, int64_t ahead, Vec<T>& sum,
                       Vec<T>& squares) {
        prefetch(a.x + ahead);
        const Vec<T> d = load_some<kWhole>(a.x + offset, n) - load_some<kWhole>(shift + lane, n);
        sum += d;
        squares = fma(d, d, squares);
      });
  double count = 0;
  for (int64_t c = 0; c < channels; ++c) mean[c] = m2[c] = 0;
  for (int64_t block = 0; block < rows.blocks; ++block) {
    const double n = static_cast<double>(rows.block_rows(block));
    const double *sum = sums + block * 2 * channels, *squares = sum + channels;
    const T* shift = a.x + block * block_elements;
    const double inverse = 1 / n, share = n / (count + n), weight = count * share;
    for (int64_t c = 0; c < channels; ++c) {
      const double offset = sum[c] * inverse;
      double block_m2 = squares[c] - sum[c] * offset;
      block_m2 = block_m2 < 0 ? 0 : block_m2;  // keeps a NaN
      const double delta = static_cast<double>(shift[c]) + offset - mean[c];
      mean[c] += delta * share;
      m2[c] += block_m2 + delta * delta * weight;
    }
    count += n;
  }
}

template <class T, Activation A, bool kResidual>
void normalise(const BatchNormArgs<T>& a, const Rows<T>& rows, bool streaming, const T* mean, const T* scale,
               const T* bias) {
  const Vec<T> parameter = splat(a.activation_parameter);
  const int64_t bytes = a.rows * a.channels * static_cast<int64_t>(sizeof(T)) * (kResidual ? 3 : 2);
  // Backwards: what the statistics read last is still in the caches.
  parallel_blocks(rows.blocks, a.width, bytes, [&](int64_t i, int) {
    auto strips = [&]<int R, bool kWhole>(int64_t offset, int64_t lane, int64_t n) {
      const Vec<T> m = load_some<kWhole>(mean + lane, n), s = load_some<kWhole>(scale + lane, n),
                   b = load_some<kWhole>(bias + lane, n);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const int64_t at = offset + r * rows.length;
        prefetch(a.x + at + kAhead<T>);
        if constexpr (kResidual) prefetch(a.residual + at + kAhead<T>);
        Vec<T> z = fma(load_some<kWhole>(a.x + at, n) - m, s, b);
        if constexpr (kResidual) z += load_some<kWhole>(a.residual + at, n);
        put_some<kWhole>(a.y + at, activate<A, T>(z, parameter), n, streaming);
      }
    };
    if (rows.length > 4 * kLanes<T>)
      rows.template sweep_block<1>(rows.blocks - 1 - i, strips);
    else
      rows.template sweep_block<kAtOnce<A>>(rows.blocks - 1 - i, strips);
    if (streaming) stream_fence();
  });
}

template <class T>
int64_t forward_bytes(const BatchNormArgs<T>& a) {
  const Rows<T> rows(a.rows, a.channels);
  return sums_bytes(rows, a.width) + 2 * a.channels * static_cast<int64_t>(sizeof(double)) +
         3 * rows.row_size() * static_cast<int64_t>(sizeof(T));
}

// A strip that is not whole vectors makes the later ones unaligned, which streaming stores cannot take.
template <class T>
bool streams(const Rows<T>& rows, const T* out) {
  return can_stream(out, rows.rows * rows.channels) && rows.length % kLanes<T> == 0;
}

template <class T>
void forward(const BatchNormArgs<T>& a) {
  const Rows<T> rows(a.rows, a.channels);
  const int64_t channels = a.channels;
  double* sums = static_cast<double*>(a.workspace);
  double* mean = sums + rows.blocks * 2 * channels;
  double* m2 = mean + channels;
  T* parameters = reinterpret_cast<T*>(m2 + channels);
  T* lanes = parameters + 3 * rows.row_size();

  if (a.training) {
    batch_statistics(a, rows, mean, m2, sums, lanes);
    const double n = static_cast<double>(a.rows);
    for (int64_t c = 0; c < channels; ++c) {
      const double variance = m2[c] / n;
      a.mean[c] = static_cast<T>(mean[c]);
      a.rstd[c] = static_cast<T>(1 / __builtin_sqrt(variance + a.eps));
      if (a.running_mean)
        a.running_mean[c] =
            static_cast<T>((1 - a.momentum) * static_cast<double>(a.running_mean[c]) + a.momentum * mean[c]);
      if (a.running_var)
        a.running_var[c] =
            static_cast<T>((1 - a.momentum) * static_cast<double>(a.running_var[c]) + a.momentum * m2[c] / (n - 1));
    }
  } else {
    for (int64_t c = 0; c < channels; ++c) {
      a.mean[c] = a.running_mean[c];
      a.rstd[c] = static_cast<T>(1 / __builtin_sqrt(static_cast<double>(a.running_var[c]) + a.eps));
    }
  }

  T *mean_row = parameters, *scale_row = mean_row + rows.row_size(), *bias_row = scale_row + rows.row_size();
  rows.repeat(a.mean, 0, mean_row);
  rows.repeat(a.rstd, 0, scale_row);
  if (a.weight)
    for (int64_t i = 0; i < rows.length; ++i) scale_row[i] *= a.weight[i % channels];
  rows.repeat(a.bias, 0, bias_row);
  const bool streaming = streams(rows, a.y);
  with_activation(a.activation, [&]<Activation A>() {
    if (a.residual)
      normalise<T, A, true>(a, rows, streaming, mean_row, scale_row, bias_row);
    else
      normalise<T, A, false>(a, rows, streaming, mean_row, scale_row, bias_row);
  });
}

// ---- backward ----

// Where relu or leaky_relu stands alone behind the normalisation, the sign of its input follows from x by
// the forward's own arithmetic: three operations instead of reading y.
template <class T>
bool recomputes(const BatchNormBackwardArgs<T>& a) {
  return !a.has_residual && (a.activation == Activation::relu || a.activation == Activation::leaky_relu);
}

template <class T>
int64_t backward_bytes(const BatchNormBackwardArgs<T>& a) {
  const Rows<T> rows(a.rows, a.channels);
  return sums_bytes(rows, a.width) + 2 * a.channels * static_cast<int64_t>(sizeof(double)) +
         5 * rows.row_size() * static_cast<int64_t>(sizeof(T));
}

template <class T, Activation A, bool kRecompute>
struct Backward {
  const BatchNormBackwardArgs<T>& a;
  const Rows<T>& rows;
  T *mean, *scale, *bias, *slope, *constant;

  // dz = dy * act'(y).
  template <bool kWhole>
  FASTNN_MEMBER Vec<T> gradient(int64_t at, int64_t lane, int64_t n, Vec<T> centred) const {
    const Vec<T> dy = load_some<kWhole>(a.dy + at, n);
    if constexpr (A == Activation::none) return dy;
    const Vec<T> parameter = splat(a.activation_parameter);
    const Vec<T> y = kRecompute ? fma(centred, load_some<kWhole>(scale + lane, n), load_some<kWhole>(bias + lane, n))
                                : load_some<kWhole>(a.y + at, n);
    return activate_backward<A, T>(dy, y, parameter);
  }

  // Arrays beyond the caches: streams dresidual = dz on the way, so that the second pass reads it instead of
  // dy and y. Within them the write would push out what the second pass needs (measured: 0.6x at 8 MB).
  template <bool kResidual>
  void sums(double* partial, T* lanes) const {
    const int64_t bytes = (kResidual ? 4 : 2) * a.rows * a.channels * static_cast<int64_t>(sizeof(T));
    sum_pairs(
        rows, a.width, bytes, partial, lanes, [](int64_t, T*) {},
        [&]<bool kWhole>(int64_t at, int64_t lane, int64_t n, const T*, int64_t ahead, Vec<T>& sum, Vec<T>& product) {
          prefetch(a.x + ahead);
          prefetch(a.dy + ahead);
          const Vec<T> centred = load_some<kWhole>(a.x + at, n) - load_some<kWhole>(mean + lane, n);
          const Vec<T> dz = gradient<kWhole>(at, lane, n, centred);
          if constexpr (kResidual) put_some<kWhole>(a.dresidual + at, dz, n, true);
          sum += dz;
          product = fma(dz, centred, product);
        });
  }

  // dx = scale dz + slope (x - mean) + constant.
  enum class Residual { none, write, read };
  template <Residual kResidual>
  void apply(bool streaming) const {
    const int64_t bytes = 3 * a.rows * a.channels * static_cast<int64_t>(sizeof(T));
    // One strip after the other: three arrays at four places each ran at 80 % of this.
    parallel_blocks(rows.blocks, a.width, bytes, [&](int64_t i, int) {
      rows.template sweep_block<1>(rows.blocks - 1 - i, [&]<int, bool kWhole>(int64_t at, int64_t lane, int64_t n) {
        const T* source = kResidual == Residual::read ? a.dresidual : a.dy;
        prefetch(a.x + at + kAhead<T>);
        prefetch(source + at + kAhead<T>);
        const Vec<T> centred = load_some<kWhole>(a.x + at, n) - load_some<kWhole>(mean + lane, n);
        Vec<T> dz;
        if constexpr (kResidual == Residual::read)
          dz = load_some<kWhole>(source + at, n);
        else
          dz = gradient<kWhole>(at, lane, n, centred);
        if constexpr (kResidual == Residual::write) put_some<kWhole>(a.dresidual + at, dz, n);
        const Vec<T> shift = fma(centred, load_some<kWhole>(slope + lane, n), load_some<kWhole>(constant + lane, n));
        put_some<kWhole>(a.dx + at, fma(load_some<kWhole>(scale + lane, n), dz, shift), n, streaming);
      });
      if (streaming) stream_fence();
    });
  }
};

template <class T>
void backward(const BatchNormBackwardArgs<T>& a) {
  const Rows<T> rows(a.rows, a.channels);
  const int64_t channels = a.channels, row = rows.row_size();
  double* partial = static_cast<double*>(a.workspace);
  double* sum = partial + rows.blocks * 2 * channels;
  double* product = sum + channels;
  T* parameters = reinterpret_cast<T*>(product + channels);
  T *mean = parameters, *scale = mean + row, *bias = scale + row, *slope = bias + row, *constant = slope + row;
  T* lanes = constant + row;
  rows.repeat(a.mean, 0, mean);
  rows.repeat(a.rstd, 0, scale);
  if (a.weight)
    for (int64_t i = 0; i < rows.length; ++i) scale[i] *= a.weight[i % channels];
  rows.repeat(a.bias, 0, bias);

  auto run = [&]<Activation A, bool kRecompute>() {
    const Backward<T, A, kRecompute> pass{a, rows, mean, scale, bias, slope, constant};
    const bool streaming = streams(rows, a.dx) && (!a.dresidual || streams(rows, a.dresidual));
    if (a.dresidual && streaming)
      pass.template sums<true>(partial, lanes);
    else
      pass.template sums<false>(partial, lanes);
    for (int64_t c = 0; c < channels; ++c) sum[c] = product[c] = 0;
    for (int64_t block = 0; block < rows.blocks; ++block)
      for (int64_t c = 0; c < channels; ++c) {
        sum[c] += partial[block * 2 * channels + c];
        product[c] += partial[(block * 2 + 1) * channels + c];
      }
    // xhat = (x - mean) rstd, so dweight = rstd * sum of dz (x - mean).
    const double n = static_cast<double>(a.rows);
    for (int64_t c = 0; c < channels; ++c) {
      const double rstd = static_cast<double>(a.rstd[c]);
      const double gain = rstd * (a.weight ? static_cast<double>(a.weight[c]) : 1.0);
      const double dweight = product[c] * rstd;
      if (a.dbias) a.dbias[c] = static_cast<T>(sum[c]);
      if (a.dweight) a.dweight[c] = static_cast<T>(dweight);
      slope[c] = a.training ? static_cast<T>(-gain * rstd * dweight / n) : 0;
      constant[c] = a.training ? static_cast<T>(-gain * sum[c] / n) : 0;
    }
    for (int64_t i = channels; i < rows.length; ++i) {
      slope[i] = slope[i - channels];
      constant[i] = constant[i - channels];
    }
    using Residual = typename decltype(pass)::Residual;
    if (!a.dresidual)
      pass.template apply<Residual::none>(streaming);
    else if (streaming)
      pass.template apply<Residual::read>(true);
    else
      pass.template apply<Residual::write>(false);
  };
  with_activation(a.activation, [&]<Activation A>() {
    if constexpr (A == Activation::relu || A == Activation::leaky_relu) {
      if (recomputes(a)) return run.template operator()<A, true>();
    }
    run.template operator()<A, false>();
  });
}

}  // namespace

int64_t batch_norm_workspace(const BatchNormArgs<float>& a) { return forward_bytes(a); }
int64_t batch_norm_workspace(const BatchNormArgs<double>& a) { return forward_bytes(a); }
void batch_norm_forward(const BatchNormArgs<float>& a) { forward(a); }
void batch_norm_forward(const BatchNormArgs<double>& a) { forward(a); }
int64_t batch_norm_backward_workspace(const BatchNormBackwardArgs<float>& a) { return backward_bytes(a); }
int64_t batch_norm_backward_workspace(const BatchNormBackwardArgs<double>& a) { return backward_bytes(a); }
void batch_norm_backward(const BatchNormBackwardArgs<float>& a) { backward(a); }
void batch_norm_backward(const BatchNormBackwardArgs<double>& a) { backward(a); }

}  // namespace fastnn::FASTNN_ISA
