// dweight (tap y, tap x, channel of x; channel of dy): the windows of x, on their side, times dy.
#include "cuda/correlation.cuh"
#include "ops/linear.h"

namespace fastnn::cuda {
namespace {

template <class T>
struct WeightGradient {
  static constexpr bool kKept = true;
  int64_t m, n, k, slices;
  Conv2dArgs<T> a;

  explicit WeightGradient(const Conv2dArgs<T>& args)
      : m(args.kh * args.kw * (args.ci / args.groups)),
        n(args.co / args.groups),
        k(args.n * args.oh * args.ow),
        slices(args.groups),
        a(args) {
    check_extents(a);
  }

  struct Slice {
    using A = WindowColumns<T>;
    using B = Strided<T>;
    int64_t m, n, k;
    A a;
    B b;
    Epilogue<T> epilogue;
    WeightStrides w;
    __device__ int64_t row_offset(int64_t row) const {
      const TapCursor tap = a.order.start(row);
      return tap.y * w.kh + tap.x * w.kw + tap.channel * w.in;
    }
    __device__ int64_t column_offset(int64_t column) const { return column * w.out; }
  };
  __device__ Slice slice(int64_t group) const {
    const auto walk = [](int64_t out, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad) {
      return forward_walk(static_cast<int>(out), static_cast<int>(kernel), static_cast<int>(stride),
                          static_cast<int>(dilation), static_cast<int>(pad));
    };
    const int64_t from = a.ci / a.groups;
    return {m,
            n,
            k,
            {a.x + group * from,
             a.ci,
             static_cast<int>(a.ih),
             static_cast<int>(a.iw),
             walk(a.oh, a.kh, a.stride_h, a.dilation_h, a.pad_top),
             walk(a.ow, a.kw, a.stride_w, a.dilation_w, a.pad_left),
             {static_cast<int>(a.kw), static_cast<int>(from)}},
            {a.dy + group * n, 1, a.co},
            {a.dweight + group * n * a.weight_strides.out, nullptr, Activation::none, T(0)},
            a.weight_strides};
  }
};

// Few channels a group: blocks of 32 pairs (channel of dy, channel of x in its group) and a part of the pixels, which
// stay in the first cache while one tap after the other goes over them.
constexpr int kPairs = 32, kRows = kThreads / kPairs;

struct Pixels {
  int64_t chunks, parts, length;
};
template <class T>
Pixels cut_pixels(const Conv2dArgs<T>& a) {
  constexpr int64_t kEnough = 1024, kShortest = 8 * kRows;
  const int64_t pixels = a.n * a.oh * a.ow, chunks = ceil_div(a.co * (a.ci / a.groups), kPairs);
  const int64_t most = ceil_div(pixels, kShortest), wanted = ceil_div(kEnough, chunks);
  const int64_t parts = most < wanted ? most : wanted, length = parts > 0 ? ceil_div(pixels, parts) : 0;
  return {chunks, parts > 0 ? ceil_div(pixels, length) : 0, length};
}

// partials (part, tap, pair).
template <class T>
__global__ void few_channels_kernel(WeightGradient<T> problem, Pixels cut, T* partials) {
  __shared__ T shared[kThreads];
  const Conv2dArgs<T>& a = problem.a;
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t from = a.ci / a.groups, pairs = a.co * from, part = blockIdx.x / cut.chunks;
  const int64_t pair = blockIdx.x % cut.chunks * kPairs + thread % kPairs;
  const int64_t out = (pair < pairs ? pair : 0) / from, in = out / problem.n * from + pair % from;
  const int64_t begin = part * cut.length;
  const int64_t end = begin + cut.length < problem.k ? begin + cut.length : problem.k;
  const auto s = problem.slice(0);
  for (int tap = 0; tap < a.kh * a.kw; ++tap) {
    auto row = s.a.row(tap * from);
    auto cursor = s.a.start(begin + thread / kPairs);
    row.channel = static_cast<int>(pair < pairs ? in : 0);
    T sum = 0;
    for (int64_t pixel = begin + thread / kPairs; pixel < end; pixel += kRows) {
      sum = fma(a.dy[pixel * a.co + out], s.a.at(row, cursor), sum);
      s.a.advance(cursor, kRows);
    }
    shared[thread] = sum;
    for (int half = kRows / 2; half > 0; half /= 2) {
      __syncthreads();
      if (thread < half * kPairs) shared[thread] += shared[thread + half * kPairs];
    }
    if (thread < kPairs && pair < pairs) partials[(part * a.kh * a.kw + tap) * pairs + pair] = shared[thread];
    __syncthreads();
  }
}

template <class T>
__global__ void few_channels_finish_kernel(WeightGradient<T> problem, int64_t parts, const T* partials) {
  const Conv2dArgs<T>& a = problem.a;
  const int64_t from = a.ci / a.groups, pairs = a.co * from, size = a.kh * a.kw * pairs;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= size) return;
  T sum = 0;
#pragma unroll 8
  for (int64_t part = 0; part < parts; ++part) sum += partials[part * size + i];
  const int64_t pair = i % pairs, tap = i / pairs;
  const WeightStrides& w = a.weight_strides;
  a.dweight[pair / from * w.out + pair % from * w.in + tap / a.kw * w.kh + tap % a.kw * w.kw] = sum;
}

template <class T>
ColumnSumsArgs<T> bias_gradient(const Conv2dArgs<T>& a) {
  return {a.n * a.oh * a.ow, a.co, a.dy, a.dbias, a.workspace, a.width};
}

template <class T>
int64_t weights_workspace(const Conv2dArgs<T>& a) {
  if (is_pointwise(a)) return matmul_workspace(pointwise_weight_gradient(a));
  if (!few_channels(a))
    return std::max(product_workspace<T>(WeightGradient<T>(a)), dnn_workspace(dnn::Direction::weight_gradient, a));
  return cut_pixels(a).parts * a.kh * a.kw * a.co * (a.ci / a.groups) * static_cast<int64_t>(sizeof(T));
}

template <class T>
int64_t workspace(const Conv2dArgs<T>& a) {
  const int64_t weights = weights_workspace(a), bias = a.dbias ? column_sums_workspace(bias_gradient(a)) : 0;
  return weights > bias ? weights : bias;
}

template <class T>
void few_channels_gradient(const WeightGradient<T>& problem) {
  const Conv2dArgs<T>& a = problem.a;
  const Pixels cut = cut_pixels(a);
  T* partials = static_cast<T*>(a.workspace);
  if (cut.parts > 0) FASTNN_LAUNCH(few_channels_kernel<T>, cut.chunks * cut.parts, kThreads, 0, problem, cut, partials);
  const int64_t size = problem.m * a.co;
  FASTNN_LAUNCH(few_channels_finish_kernel<T>, ceil_div(size, kThreads), kThreads, 0, problem, cut.parts, partials);
}

template <class T>
void gradient(const Conv2dArgs<T>& a) {
  if (is_pointwise(a))
    matmul(pointwise_weight_gradient(a));
  else if (few_channels(a))
    few_channels_gradient(WeightGradient<T>(a));
  else if (!dnn_convolve(dnn::Direction::weight_gradient, a))
    run_product<T>(WeightGradient<T>(a), a.workspace);
  if (a.dbias) column_sums(bias_gradient(a));
}

}  // namespace

int64_t conv2d_weight_gradient_workspace(const Conv2dArgs<float>& a) { return workspace(a); }
int64_t conv2d_weight_gradient_workspace(const Conv2dArgs<double>& a) { return workspace(a); }
void conv2d_weight_gradient(const Conv2dArgs<float>& a) { gradient(a); }
void conv2d_weight_gradient(const Conv2dArgs<double>& a) { gradient(a); }
FASTNN_CUDA_KERNEL(int64_t, conv2d_weight_gradient_workspace, Conv2dArgs)
FASTNN_CUDA_KERNEL(void, conv2d_weight_gradient, Conv2dArgs)

}  // namespace fastnn::cuda
