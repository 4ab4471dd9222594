// Convolution and its input gradient as one problem. The gradient's targets fall into stride_h * stride_w phases, in
// each of which every stride-th pixel meets every few taps, without zeros in between.
#pragma once

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

#include "cuda/conv_sources.cuh"
#include "cuda/cudnn_convolution.h"
#include "cuda/pointwise.h"
#include "cuda/product.cuh"
#include "ops/conv2d.h"

namespace fastnn::cuda {

// Targets are outputs.
__device__ __host__ inline Walk forward_walk(int out, int kernel, int stride, int dilation, int pad) {
  return {out, stride, -pad, kernel, dilation, 0, 1, 0, 1};
}

// Targets are the inputs phase, phase + stride, ...: input i meets output (i + pad - tap * dilation) / stride.
__device__ __host__ inline Walk gradient_walk(int phase, int in, int kernel, int stride, int dilation, int pad) {
  const int common = std::gcd(stride, dilation), every = stride / common;
  int first = 0;
  while (first < every && first < kernel && (phase + pad - first * dilation) % stride != 0) ++first;
  Walk walk{};
  walk.targets = phase < in ? (in - phase - 1) / stride + 1 : 0;
  walk.target_first = phase;
  walk.target_step = stride;
  walk.step = 1;
  if (first == every || first >= kernel) return walk;  // no tap reaches these pixels
  walk.offset = (phase + pad - first * dilation) / stride;
  walk.taps = (kernel - first - 1) / every + 1;
  walk.tap_step = -dilation / common;
  walk.kernel_first = first;
  walk.kernel_step = every;
  return walk;
}

// Coordinates within an image are 32-bit on the device.
template <class T>
void check_extents(const Conv2dArgs<T>& a) {
  const int64_t high = a.oh * a.stride_h + a.kh * a.dilation_h + a.ih + a.pad_top;
  const int64_t wide = a.ow * a.stride_w + a.kw * a.dilation_w + a.iw + a.pad_left;
  const int64_t extents[] = {high, wide, a.ci, a.co};
  for (int64_t extent : extents)
    if (extent > 0x7fffffff) throw std::runtime_error("convolution: an extent beyond 2^31 on CUDA");
}

template <class T>
struct Correlation {
  static constexpr bool kKept = true;
  bool gradient;
  int64_t m, n, k, phases, phases_across, slices;  // m, k: of the largest slice; a slice is a phase of a group
  Conv2dArgs<T> a;

  Correlation(const Conv2dArgs<T>& args, bool input_gradient) : gradient(input_gradient), a(args) {
    check_extents(a);
    const int64_t high = gradient ? ceil_div(a.ih, a.stride_h) : a.oh,
                  wide = gradient ? ceil_div(a.iw, a.stride_w) : a.ow;
    m = a.n * high * wide;
    n = (gradient ? a.ci : a.co) / a.groups;
    k = a.kh * a.kw * ((gradient ? a.co : a.ci) / a.groups);
    if (gradient) {
      const auto taps = [](int64_t kernel, int64_t stride, int64_t dilation) {
        return ceil_div(kernel, stride / std::gcd(stride, dilation));
      };
      k = taps(a.kh, a.stride_h, a.dilation_h) * taps(a.kw, a.stride_w, a.dilation_w) * (a.co / a.groups);
    }
    phases_across = gradient && a.stride_w < a.iw ? a.stride_w : gradient ? a.iw : 1;
    phases = gradient ? (a.stride_h < a.ih ? a.stride_h : a.ih) * phases_across : 1;
    slices = phases * a.groups;
  }

  struct Slice {
    using A = Windows<T>;
    using B = Weights<T>;
    int64_t m, n, k;
    A a;
    B b;
    Epilogue<T> epilogue;
    int high, wide;  // the targets' images
    int64_t channels;
    __device__ int64_t row_offset(int64_t row) const {
      const Walk &y = a.down, &x = a.across;
      if (y.target_step == 1 && x.target_step == 1) return row * channels;
      const Triple t = triple_at(row, y.targets, x.targets);
      const int64_t line = t.outer * high + y.target_first + t.y * y.target_step;
      return (line * wide + x.target_first + t.x * x.target_step) * channels;
    }
    __device__ int64_t column_offset(int64_t column) const { return column; }
  };

  __device__ Slice slice(int64_t index) const {
    const int64_t group = index % a.groups;
    const int64_t phase = index / a.groups;
    const int down = static_cast<int>(phase / phases_across), across = static_cast<int>(phase % phases_across);
    const int stride_h = static_cast<int>(a.stride_h), stride_w = static_cast<int>(a.stride_w);
    const int kh = static_cast<int>(a.kh), kw = static_cast<int>(a.kw), ih = static_cast<int>(a.ih),
              iw = static_cast<int>(a.iw), oh = static_cast<int>(a.oh), ow = static_cast<int>(a.ow);
    const int dilation_h = static_cast<int>(a.dilation_h), dilation_w = static_cast<int>(a.dilation_w),
              top = static_cast<int>(a.pad_top), left = static_cast<int>(a.pad_left);
    const Walk y = gradient ? gradient_walk(down, ih, kh, stride_h, dilation_h, top)
                            : forward_walk(oh, kh, stride_h, dilation_h, top);
    const Walk x = gradient ? gradient_walk(across, iw, kw, stride_w, dilation_w, left)
                            : forward_walk(ow, kw, stride_w, dilation_w, left);
    const int64_t from = (gradient ? a.co : a.ci) / a.groups;  // channels of a source and group
    const WeightStrides& w = a.weight_strides;
    const TapOrder order{x.taps, static_cast<int>(from)};
    const T* weight = a.weight + group * (a.co / a.groups) * w.out + y.kernel_first * w.kh + x.kernel_first * w.kw;
    Slice s{};
    s.m = a.n * y.targets * x.targets, s.n = n, s.k = y.taps * x.taps * from;
    s.a = {
        (gradient ? a.dy : a.x) + group * from, from * a.groups, gradient ? oh : ih, gradient ? ow : iw, y, x, order};
    s.b = {weight, gradient ? w.in : w.out, gradient ? w.out : w.in, y.kernel_step * w.kh, x.kernel_step * w.kw, order};
    s.epilogue = {(gradient ? a.dx : a.y) + group * n, a.bias ? a.bias + group * n : nullptr,
                  gradient ? Activation::none : a.activation, a.activation_parameter};
    s.high = gradient ? ih : oh, s.wide = gradient ? iw : ow;
    s.channels = n * a.groups;
    return s;
  }
};

// Groups of few channels fill no tile: a thread sums for one channel of one pixel after the other, neighbouring
// threads for neighbouring channels.
template <class T>
__global__ void few_channels_kernel(Correlation<T> problem, int64_t phase, int64_t at_once) {
  const int64_t channels = problem.n * problem.a.groups;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (thread >= at_once * channels) return;
  const int64_t column = thread % channels % problem.n;
  const auto s = problem.slice(phase * problem.a.groups + thread % channels / problem.n);
  const T* weight = s.b.data + s.b.row(column);
  const T bias = s.epilogue.bias ? s.epilogue.bias[column] : T(0);
  const Walk &down = s.a.down, &across = s.a.across;
  for (int64_t pixel = thread / channels; pixel < s.m; pixel += at_once) {
    const auto row = s.a.row(pixel);
    T sum = 0;
    for (int ty = 0; ty < down.taps; ++ty) {
      const int y = row.y + ty * down.tap_step;
      if (y < 0 || y >= s.a.high) continue;
      const T* line = s.a.data + (row.image + static_cast<int64_t>(y) * s.a.wide) * s.a.pixel_stride;
      for (int tx = 0; tx < across.taps; ++tx) {
        const int x = row.x + tx * across.tap_step;
        if (x < 0 || x >= s.a.wide) continue;
        const T* from = line + x * s.a.pixel_stride;
        const T* w = weight + ty * s.b.y_stride + tx * s.b.x_stride;
        for (int c = 0; c < s.a.order.channels; ++c) sum = fma(from[c], w[c * s.b.source_stride], sum);
      }
    }
    s.epilogue.store(s.row_offset(pixel) + column, sum, bias);
  }
}

template <class T>
bool few_channels(const Conv2dArgs<T>& a) {
  constexpr int64_t kFew = 8;
  return a.groups > 1 && a.co > 0 && a.ci > 0 && a.co / a.groups <= kFew && a.ci / a.groups <= kFew;
}

inline dnn::Direction direction_of(bool gradient) {
  return gradient ? dnn::Direction::input_gradient : dnn::Direction::forward;
}

template <class T>
int64_t correlation_workspace(const Conv2dArgs<T>& a, bool gradient) {
  if (is_pointwise(a)) return matmul_workspace(gradient ? pointwise_input_gradient(a) : pointwise_forward(a));
  if (few_channels(a)) return 0;
  // Enough for either: ours takes over what cuDNN cannot run after all.
  return std::max(product_workspace<T>(Correlation<T>(a, gradient)), dnn_workspace(direction_of(gradient), a));
}

template <class T>
void correlate(const Conv2dArgs<T>& a, bool gradient) {
  if (is_pointwise(a)) return matmul(gradient ? pointwise_input_gradient(a) : pointwise_forward(a));
  if (!few_channels(a) && dnn_convolve(direction_of(gradient), a)) return;
  const Correlation<T> problem(a, gradient);
  if (!few_channels(a)) return run_product<T>(problem, a.workspace);
  if (problem.m == 0) return;
  const int64_t channels = problem.n * a.groups, room = 8 * resident_blocks() * kThreads / channels;
  const int64_t at_once = room < 1 ? 1 : room < problem.m ? room : problem.m;
  for (int64_t phase = 0; phase < problem.phases; ++phase)
    FASTNN_LAUNCH(few_channels_kernel<T>, ceil_div(at_once * channels, kThreads), kThreads, 0, problem, phase, at_once);
}

}  // namespace fastnn::cuda
