#include "ops/group_norm.h"

#include "cpu/channel_normalise.h"
#include "cpu/tile.h"

namespace fastnn::FASTNN_ISA {
namespace {

// What one image needs while it is worked on.
template <class T>
struct Slot {
  int64_t ahead = 0;                 // from an image to the next one of this thread, which the last pass asks for; or 0
  double *partial, *first, *second;  // two sums a block and channel; two numbers a channel
  T *mean, *scale, *bias, *slope, *constant, *lanes;

  static int64_t bytes(const Rows<T>& rows) {
    return (rows.blocks + 1) * 2 * rows.channels * static_cast<int64_t>(sizeof(double)) +
           8 * rows.row_size() * static_cast<int64_t>(sizeof(T)) + 64;
  }
  Slot(const Rows<T>& rows, void* workspace, int worker) {
    char* base = static_cast<char*>(workspace) + worker * (bytes(rows) / 64 * 64);
    partial = reinterpret_cast<double*>(base);
    first = partial + rows.blocks * 2 * rows.channels;
    second = first + rows.channels;
    const int64_t row = rows.row_size();
    mean = reinterpret_cast<T*>(second + rows.channels);
    scale = mean + row, bias = scale + row, slope = bias + row, constant = slope + row, lanes = constant + row;
  }
};

// For each image prepare(image, slot), sums(image, block, slot, lanes) for all blocks, fold(image, slot), then
// apply(image, block, slot) backwards: what was read last is still in the caches. Images whose inputs fit L2 go to
// the threads whole, larger ones are shared by all, one after the other. Neither changes a bit.
template <class T, class Prepare, class Sums, class Fold, class Apply>
void for_images(int64_t images, const Rows<T>& rows, int width, int64_t arrays, void* workspace, const Prepare& prepare,
                const Sums& sums, const Fold& fold, const Apply& apply) {
  const int64_t array = rows.rows * rows.channels * static_cast<int64_t>(sizeof(T)), bytes = arrays * array;
  if (bytes <= kSerialBytes || (bytes - array <= (1 << 20) && images >= 4 * width)) {
    const Pieces pieces(images, 65536 / bytes + 1);
    parallel_blocks(pieces.count, width, images * bytes, [&](int64_t piece, int worker) {
      Slot<T> slot(rows, workspace, worker);
      slot.ahead = rows.rows * rows.channels;
      for (int64_t image = pieces.begin(piece); image < pieces.begin(piece + 1); ++image) {
        prepare(image, slot);
        for (int64_t block = 0; block < rows.blocks; ++block) sums(image, block, slot, slot.lanes);
        fold(image, slot);
        for (int64_t block = rows.blocks - 1; block >= 0; --block) apply(image, block, slot);
      }
    });
    return;
  }
  const Slot<T> slot(rows, workspace, 0);
  for (int64_t image = 0; image < images; ++image) {
    prepare(image, slot);
    parallel_blocks(rows.blocks, width, bytes, [&](int64_t block, int worker) {
      sums(image, block, slot, Slot<T>(rows, workspace, worker).lanes);
    });
    fold(image, slot);
    parallel_blocks(rows.blocks, width, bytes,
                    [&](int64_t i, int) { apply(image, backwards(i, rows.blocks, width), slot); });
  }
}

template <class T>
bool streams_images(const Rows<T>& rows, int64_t images, const T* out) {
  return streams(rows, out, images) && rows.rows * rows.channels % kLanes<T> == 0;
}

// The first `channels` values of a parameter row, repeated to its length.
template <class T>
void extend(const Rows<T>& rows, T* row) {
  for (int64_t i = rows.channels; i < rows.length; ++i) row[i] = row[i - rows.channels];
}

// Rows of x - mean, times scale, plus bias: what the mean lost by rounding goes into the bias.
template <class T, class Args>
__attribute__((noinline)) void parameter_rows(const Args& a, const Rows<T>& rows, int64_t image, const Slot<T>& slot) {
  const int64_t share = a.channels / a.groups;
  for (int64_t g = 0; g < a.groups; ++g) {
    const int64_t at = image * a.groups + g;
    for (int64_t c = g * share; c < (g + 1) * share; ++c) {
      slot.mean[c] = a.mean[at];
      slot.scale[c] = a.weight ? a.rstd[at] * a.weight[c] : a.rstd[at];
      slot.bias[c] = (a.bias ? a.bias[c] : T{0}) - a.mean_low[at] * slot.scale[c];
    }
  }
  extend(rows, slot.mean), extend(rows, slot.scale), extend(rows, slot.bias);
}

// ---- forward ----

template <class T>
int64_t forward_bytes(const GroupNormArgs<T>& a) {
  const Rows<T> rows(a.rows, a.channels);
  return a.width * Slot<T>::bytes(rows) + a.images * a.groups * static_cast<int64_t>(sizeof(double));
}

template <class T>
__attribute__((noinline)) void group_statistics(const GroupNormArgs<T>& a, int64_t image, const double* mean,
                                                const double* m2, double* variance) {
  const int64_t share = a.channels / a.groups;
  const double n = static_cast<double>(a.rows), size = static_cast<double>(share);
  for (int64_t g = 0; g < a.groups; ++g) {
    const double *means = mean + g * share, *m2s = m2 + g * share;
    double offset = 0, squares = 0, own = 0;
    for (int64_t c = 0; c < share; ++c) offset += means[c] - means[0];
    const double centre = means[0] + offset / size;
    for (int64_t c = 0; c < share; ++c) {
      own += m2s[c];
      squares += (means[c] - centre) * (means[c] - centre);
    }
    const int64_t at = image * a.groups + g;
    variance[at] = (own + n * squares) / (n * size);
    a.mean[at] = static_cast<T>(centre);
    a.mean_low[at] = static_cast<T>(centre - static_cast<double>(a.mean[at]));
    a.rstd[at] = static_cast<T>(1 / __builtin_sqrt(variance[at] + a.eps));
  }
}

// running = (1 - momentum) running + momentum * the mean over the images of mean and unbiased variance.
template <class T>
void update_running(const GroupNormArgs<T>& a, const double* variance) {
  const double n = static_cast<double>(a.rows), images = static_cast<double>(a.images);
  for (int64_t g = 0; g < a.groups; ++g) {
    double mean = 0, var = 0;
    for (int64_t at = g; at < a.images * a.groups; at += a.groups) {
      mean += static_cast<double>(a.mean[at]) + static_cast<double>(a.mean_low[at]);
      var += variance[at];
    }
    const auto move = [&](T& running, double value) {
      running = static_cast<T>((1 - a.momentum) * static_cast<double>(running) + a.momentum * value / images);
    };
    if (a.running_mean) move(a.running_mean[g], mean);
    if (a.running_var) move(a.running_var[g], var * n / (n - 1));
  }
}

template <class T>
void forward(const GroupNormArgs<T>& a) {
  const Rows<T> rows(a.rows, a.channels);
  const int64_t size = a.rows * a.channels;
  double* variance = static_cast<double*>(a.workspace);
  void* slots = variance + a.images * a.groups;
  const bool streaming = streams_images(rows, a.images, a.y);
  for_images<T>(
      a.images, rows, a.width, 2, slots, [](int64_t, const Slot<T>&) {},
      [&](int64_t image, int64_t block, const Slot<T>& slot, T* lanes) {
        if (a.use_input_stats) moments_block(rows, block, a.x + image * size, lanes, slot.partial);
      },
      [&](int64_t image, const Slot<T>& slot) {
        if (a.use_input_stats) {
          merge_moments(rows, slot.partial, slot.first, slot.second);
          group_statistics(a, image, slot.first, slot.second, variance);
        } else {
          for (int64_t g = 0; g < a.groups; ++g) {
            const int64_t at = image * a.groups + g;
            a.mean[at] = a.running_mean[g], a.mean_low[at] = 0;
            a.rstd[at] = static_cast<T>(1 / __builtin_sqrt(static_cast<double>(a.running_var[g]) + a.eps));
          }
        }
        parameter_rows(a, rows, image, slot);
      },
      [&](int64_t image, int64_t block, const Slot<T>& slot) {
        BatchNormArgs<T> b{};
        b.x = a.x + image * size, b.y = a.y + image * size;
        b.activation = a.activation, b.activation_parameter = a.activation_parameter;
        if (a.residual) b.residual = a.residual + image * size;
        normalise_block(b, rows, block, streaming, slot.mean, slot.scale, slot.bias, slot.ahead);
      });
  if (a.use_input_stats && (a.running_mean || a.running_var)) update_running(a, variance);
}

// ---- backward ----

template <class T>
int64_t backward_bytes(const GroupNormBackwardArgs<T>& a) {
  const Rows<T> rows(a.rows, a.channels);
  return a.width * Slot<T>::bytes(rows) + a.images * 2 * a.channels * static_cast<int64_t>(sizeof(double));
}

// An image's shares of dbias and dweight, and dx = scale dz + slope (x - mean) + constant.
template <class T>
__attribute__((noinline)) void fold_gradient(const GroupNormBackwardArgs<T>& a, const Rows<T>& rows, int64_t image,
                                             const Slot<T>& slot, double* shares) {
  const int64_t channels = a.channels, share = channels / a.groups;
  double *dbias = shares + image * 2 * channels, *dweight = dbias + channels;
  for (int64_t c = 0; c < 2 * channels; ++c) dbias[c] = 0;
  for (int64_t block = 0; block < rows.blocks; ++block)
    for (int64_t c = 0; c < 2 * channels; ++c) dbias[c] += slot.partial[block * 2 * channels + c];
  const double n = static_cast<double>(a.rows * share);
  for (int64_t g = 0; g < a.groups; ++g) {
    const int64_t at = image * a.groups + g;
    const double rstd = static_cast<double>(a.rstd[at]), low = static_cast<double>(a.mean_low[at]);
    double sum = 0, product = 0;
    for (int64_t c = g * share; c < (g + 1) * share; ++c) {
      const double weight = a.weight ? static_cast<double>(a.weight[c]) : 1.0;
      dweight[c] = rstd * (dweight[c] - low * dbias[c]);
      sum += weight * dbias[c];
      product += weight * dweight[c];
    }
    const double slope = a.use_input_stats ? -rstd * rstd * product / n : 0;
    const double constant = a.use_input_stats ? -rstd * sum / n - slope * low : 0;
    for (int64_t c = g * share; c < (g + 1) * share; ++c) {
      slot.slope[c] = static_cast<T>(slope);
      slot.constant[c] = static_cast<T>(constant);
    }
  }
  extend(rows, slot.slope), extend(rows, slot.constant);
}

template <class T>
void backward(const GroupNormBackwardArgs<T>& a) {
  const Rows<T> rows(a.rows, a.channels);
  const int64_t size = a.rows * a.channels;
  double* shares = static_cast<double*>(a.workspace);
  void* slots = shares + a.images * 2 * a.channels;
  const bool streaming =
      streams_images(rows, a.images, a.dx) && (!a.dresidual || streams_images(rows, a.images, a.dresidual));
  const ResidualGradient residual = a.dresidual ? ResidualGradient::write : ResidualGradient::none;
  const auto with_pass = [&](int64_t image, const Slot<T>& slot, const auto& body) {
    BatchNormBackwardArgs<T> b{};
    b.dy = a.dy + image * size, b.x = a.x + image * size, b.y = a.y + image * size, b.dx = a.dx + image * size;
    b.activation = a.activation, b.activation_parameter = a.activation_parameter, b.has_residual = a.has_residual;
    if (a.dresidual) b.dresidual = a.dresidual + image * size;
    body(NormaliseGradient<T>{b, rows, slot.mean, slot.scale, slot.bias, slot.slope, slot.constant,
                              slot.ahead ? slot.ahead : kAhead<T>});
  };
  for_images<T>(
      a.images, rows, a.width, 3, slots,
      [&](int64_t image, const Slot<T>& slot) { parameter_rows(a, rows, image, slot); },
      [&](int64_t image, int64_t block, const Slot<T>& slot, T* lanes) {
        with_pass(image, slot, [&](const auto& pass) { pass.sums(block, slot.partial, lanes, false); });
      },
      [&](int64_t image, const Slot<T>& slot) { fold_gradient(a, rows, image, slot, shares); },
      [&](int64_t image, int64_t block, const Slot<T>& slot) {
        with_pass(image, slot, [&](const auto& pass) { pass.apply(block, residual, streaming); });
      });
  for (int64_t image = 1; image < a.images; ++image)
    for (int64_t c = 0; c < 2 * a.channels; ++c) shares[c] += shares[image * 2 * a.channels + c];
  for (int64_t c = 0; c < a.channels; ++c) {
    if (a.dbias) a.dbias[c] = a.images ? static_cast<T>(shares[c]) : T{0};
    if (a.dweight) a.dweight[c] = a.images ? static_cast<T>(shares[a.channels + c]) : T{0};
  }
}

}  // namespace

int64_t group_norm_workspace(const GroupNormArgs<float>& a) { return forward_bytes(a); }
int64_t group_norm_workspace(const GroupNormArgs<double>& a) { return forward_bytes(a); }
void group_norm_forward(const GroupNormArgs<float>& a) { forward(a); }
void group_norm_forward(const GroupNormArgs<double>& a) { forward(a); }
int64_t group_norm_backward_workspace(const GroupNormBackwardArgs<float>& a) { return backward_bytes(a); }
int64_t group_norm_backward_workspace(const GroupNormBackwardArgs<double>& a) { return backward_bytes(a); }
void group_norm_backward(const GroupNormBackwardArgs<float>& a) { backward(a); }
void group_norm_backward(const GroupNormBackwardArgs<double>& a) { backward(a); }

}  // namespace fastnn::FASTNN_ISA
