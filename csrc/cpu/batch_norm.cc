#include "ops/batch_norm.h"

#include "cpu/channel_normalise.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
int64_t forward_bytes(const BatchNormArgs<T>& a) {
  const Rows<T> rows(a.rows, a.channels);
  return sums_bytes(rows, a.width) + 2 * a.channels * static_cast<int64_t>(sizeof(double)) +
         3 * rows.row_size() * static_cast<int64_t>(sizeof(T));
}

template <class T>
int64_t kept_bytes(const BatchNormArgs<T>& a) {
  return a.training ? signs_bytes(Rows<T>(a.rows, a.channels), a.activation, a.residual) : 0;
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
    parallel_blocks(rows.blocks, a.width, a.rows * channels * static_cast<int64_t>(sizeof(T)),
                    [&](int64_t block, int worker) {
                      moments_block(rows, block, a.x, lanes + worker * 3 * rows.row_size(), sums);
                    });
    merge_moments(rows, sums, mean, m2);
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
  const int64_t bytes = a.rows * channels * static_cast<int64_t>(sizeof(T)) * (a.residual ? 3 : 2);
  parallel_blocks(rows.blocks, a.width, bytes, [&](int64_t i, int) {
    normalise_block(a, rows, backwards(i, rows.blocks, a.width), streaming, mean_row, scale_row, bias_row);
  });
}

// ---- backward ----

template <class T>
int64_t backward_bytes(const BatchNormBackwardArgs<T>& a) {
  const Rows<T> rows(a.rows, a.channels);
  return sums_bytes(rows, a.width) + 2 * a.channels * static_cast<int64_t>(sizeof(double)) +
         5 * rows.row_size() * static_cast<int64_t>(sizeof(T));
}

// dweight, dbias, and the slope and constant of dx from the partial sums; sum: 2 doubles a channel.
template <class T>
void fold_gradient(const BatchNormBackwardArgs<T>& a, const Rows<T>& rows, const double* partial, double* sum, T* slope,
                   T* constant) {
  const int64_t channels = a.channels;
  double* product = sum + channels;
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
}

// dresidual is not needed before the gradient has come through the whole branch beside it: from this size on it is
// written past the caches, while the first pass waits for x.
constexpr int64_t kStreamResidualBytes = int64_t{1} << 20;

template <class T>
void backward(const BatchNormBackwardArgs<T>& a) {
  const Rows<T> rows(a.rows, a.channels);
  const int64_t channels = a.channels, row = rows.row_size();
  double* partial = static_cast<double*>(a.workspace);
  double* sum = partial + rows.blocks * 2 * channels;
  T* parameters = reinterpret_cast<T*>(sum + 2 * channels);
  T *mean = parameters, *scale = mean + row, *bias = scale + row, *slope = bias + row, *constant = slope + row;
  T* lanes = constant + row;
  rows.repeat(a.mean, 0, mean);
  rows.repeat(a.rstd, 0, scale);
  if (a.weight)
    for (int64_t i = 0; i < rows.length; ++i) scale[i] *= a.weight[i % channels];
  rows.repeat(a.bias, 0, bias);

  const int64_t array = a.rows * channels * static_cast<int64_t>(sizeof(T));
  const NormaliseGradient<T> pass{a, rows, mean, scale, bias, slope, constant};
  const bool streaming = streams(rows, a.dx) && (!a.dresidual || streams(rows, a.dresidual));
  if (!a.training) {  // dx does not wait for the sums: a block at a time, while it is in the caches
    for (int64_t i = 0; i < rows.length; ++i) slope[i] = constant[i] = 0;
    const ResidualGradient residual = a.dresidual ? ResidualGradient::write : ResidualGradient::none;
    parallel_blocks(rows.blocks, a.width, (a.dresidual ? 4 : 3) * array, [&](int64_t block, int worker) {
      pass.sums(block, partial, lanes + worker * 3 * row, false);
      pass.apply(block, residual, streaming);
    });
    return fold_gradient(a, rows, partial, sum, slope, constant);
  }
  const bool streams_residual = a.dresidual && streams(rows, a.dresidual, 1, kStreamResidualBytes);
  parallel_blocks(rows.blocks, a.width, (streams_residual ? 4 : 2) * array, [&](int64_t block, int worker) {
    pass.sums(block, partial, lanes + worker * 3 * row, streams_residual);
  });
  fold_gradient(a, rows, partial, sum, slope, constant);
  const ResidualGradient residual = streams_residual && streaming      ? ResidualGradient::read
                                    : streams_residual || !a.dresidual ? ResidualGradient::none
                                                                       : ResidualGradient::write;
  parallel_blocks(rows.blocks, a.width, 3 * array,
                  [&](int64_t i, int) { pass.apply(backwards(i, rows.blocks, a.width), residual, streaming); });
}

}  // namespace

int64_t batch_norm_workspace(const BatchNormArgs<float>& a) { return forward_bytes(a); }
int64_t batch_norm_workspace(const BatchNormArgs<double>& a) { return forward_bytes(a); }
int64_t batch_norm_signs(const BatchNormArgs<float>& a) { return kept_bytes(a); }
int64_t batch_norm_signs(const BatchNormArgs<double>& a) { return kept_bytes(a); }
void batch_norm_forward(const BatchNormArgs<float>& a) { forward(a); }
void batch_norm_forward(const BatchNormArgs<double>& a) { forward(a); }
int64_t batch_norm_backward_workspace(const BatchNormBackwardArgs<float>& a) { return backward_bytes(a); }
int64_t batch_norm_backward_workspace(const BatchNormBackwardArgs<double>& a) { return backward_bytes(a); }
void batch_norm_backward(const BatchNormBackwardArgs<float>& a) { backward(a); }
void batch_norm_backward(const BatchNormBackwardArgs<double>& a) { backward(a); }

}  // namespace fastnn::FASTNN_ISA
