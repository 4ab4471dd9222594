#include "cuda/cudnn.h"
#include "cuda/cudnn_convolution.h"
#include "cuda/launch.h"
#include "cuda/values.cuh"
#include "ops/layout.h"

namespace fastnn::cuda {
namespace {

using dnn::Convolution;
using dnn::Direction;

constexpr int64_t kMostElements = 0x7fffffff;

// What follows the last input row that `out` outputs need, as cuDNN wants it. It has more engines for equal paddings,
// so the same number as before if that gives as many outputs. -1 if no padding gives them.
int64_t padding_after(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t dilation, int64_t before) {
  const int64_t reach = dilation * (kernel - 1) + 1;
  const int64_t needed = (out - 1) * stride + reach - in - before;
  for (const int64_t after : {before, needed > 0 ? needed : int64_t{0}}) {
    const int64_t room = in + before + after - reach;
    if (room >= 0 && room / stride + 1 == out) return after;
  }
  return -1;
}

int64_t alignment(const void* address) {
  const auto value = reinterpret_cast<uintptr_t>(address);
  return value % 16 == 0 ? 16 : value % 8 == 0 ? 8 : 4;
}

// cuDNN gets weights with their channels last; others are copied there and back.
template <class T>
bool is_packed(const Conv2dArgs<T>& a) {
  return a.weight_strides.in == 1 || a.kh * a.kw == 1 || a.ci == a.groups;
}
template <class T>
int64_t weight_bytes(const Conv2dArgs<T>& a) {
  return a.co * (a.ci / a.groups) * a.kh * a.kw * static_cast<int64_t>(sizeof(T));
}
int64_t aligned(int64_t bytes) { return (bytes + 255) / 256 * 256; }

template <class T>
struct Arrays {
  const T *x, *weight, *y;
};
template <class T>
Arrays<T> arrays(Direction direction, const Conv2dArgs<T>& a) {
  if (direction == Direction::forward) return {a.x, a.weight, a.y};
  if (direction == Direction::input_gradient) return {a.dx, a.weight, a.dy};
  return {a.x, a.dweight, a.dy};
}

// False where ours is as good: nothing to do, little to do, or beyond 32 bits.
template <class T>
bool describe(Direction direction, const Conv2dArgs<T>& a, Convolution* c) {
  const Arrays<T> at = arrays(direction, a);
  const int64_t from = a.groups > 0 ? a.ci / a.groups : 0;
  *c = {direction,
        sizeof(T),
        a.algorithm == ConvAlgorithm::winograd,
        {a.n, a.ci, a.ih, a.iw},
        {a.co, from, a.kh, a.kw},
        {a.n, a.co, a.oh, a.ow},
        {a.stride_h, a.stride_w},
        {a.dilation_h, a.dilation_w},
        {a.pad_top, a.pad_left},
        {padding_after(a.ih, a.oh, a.kh, a.stride_h, a.dilation_h, a.pad_top),
         padding_after(a.iw, a.ow, a.kw, a.stride_w, a.dilation_w, a.pad_left)},
        {alignment(at.x), is_packed(a) ? alignment(at.weight) : 16, alignment(at.y)}};
  for (const auto& shape : {c->x, c->weight, c->y}) {
    double elements = 1;
    for (int axis = 0; axis < 4; ++axis) elements *= static_cast<double>(shape[axis]);
    if (elements == 0 || elements > kMostElements) return false;
  }
  const double work = static_cast<double>(a.n) * a.oh * a.ow * a.co * from * a.kh * a.kw;
  const int64_t largest[] = {a.stride_h, a.stride_w, a.dilation_h, a.dilation_w, c->after[0], c->after[1]};
  for (int64_t value : largest)
    if (value < 0 || value > kMostElements) return false;
  return work >= static_cast<double>(dnn::least_work());
}

template <class T>
void pack(const Conv2dArgs<T>& a, T* packed) {
  const WeightStrides& w = a.weight_strides;
  const int64_t bytes = sizeof(T);
  strided_copy(StridedCopyArgs<T>{reinterpret_cast<const char*>(a.weight),
                                  packed,
                                  4,
                                  {a.co, a.kh, a.kw, a.ci / a.groups},
                                  {w.out * bytes, w.kh * bytes, w.kw * bytes, w.in * bytes},
                                  a.width});
}

template <class T>
void unpack(const Conv2dArgs<T>& a, const T* packed) {
  const int64_t from = a.ci / a.groups, bytes = sizeof(T);
  strided_copy(StridedCopyArgs<T>{reinterpret_cast<const char*>(packed),
                                  a.dweight,
                                  4,
                                  {a.co, from, a.kh, a.kw},
                                  {a.kh * a.kw * from * bytes, bytes, a.kw * from * bytes, from * bytes},
                                  a.width});
}

// y = act(y + bias): rows of `channels` values in pieces of V.
template <int V, bool kPacked, class T>
__global__ void bias_kernel(int64_t pieces, int64_t across, T* y, const T* bias, Activation kind, T parameter) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < pieces; i += step) {
    Values<T, V> v = read<V, kPacked>(y + i * V);
    const Values<T, V> b = read<V, kPacked>(bias + i % across * V);
#pragma unroll
    for (int k = 0; k < V; ++k) v.at[k] += b.at[k];
    activate_all(kind, parameter, v);
    write<kPacked>(y + i * V, v);
  }
}

template <class T>
void finish(int64_t pixels, int64_t channels, T* y, const T* bias, Activation kind, T parameter, int width) {
  const int64_t n = pixels * channels;
  if (!bias && kind != Activation::none) activation_forward(ActivationArgs<T>{kind, parameter, n, y, y, width});
  if (!bias) return;
  with_width<T>(
      channels,
      [&]<int V, bool kPacked>() {
        const int64_t pieces = n / V, blocks = ceil_div(pieces, kThreads), most = resident_blocks() * 4;
        FASTNN_LAUNCH((bias_kernel<V, kPacked, T>), blocks < most ? blocks : most, kThreads, 0, pieces, channels / V, y,
                      bias, kind, parameter);
      },
      y, bias);
}

}  // namespace

template <class T>
int64_t dnn_workspace(Direction direction, const Conv2dArgs<T>& a) {
  Convolution c;
  if (!describe(direction, a, &c)) return 0;
  const int64_t bytes = plan_workspace(c);
  return bytes < 0 ? 0 : aligned(bytes) + (is_packed(a) ? 0 : weight_bytes(a));
}

template <class T>
bool dnn_convolve(Direction direction, const Conv2dArgs<T>& a) {
  Convolution c;
  if (!describe(direction, a, &c)) return false;
  const int64_t bytes = plan_workspace(c);
  Arrays<T> at = arrays(direction, a);
  T* packed = nullptr;
  if (bytes >= 0 && !is_packed(a)) {
    packed = reinterpret_cast<T*>(static_cast<char*>(a.workspace) + aligned(bytes));
    at.weight = packed;
    if (direction != Direction::weight_gradient) pack(a, packed);
  }
  if (!run_plan(c, at.x, at.weight, at.y, a.workspace)) return false;
  if (direction == Direction::forward)
    finish(a.n * a.oh * a.ow, a.co, a.y, a.bias, a.activation, a.activation_parameter, a.width);
  else if (direction == Direction::input_gradient)
    finish(a.n * a.ih * a.iw, a.ci, a.dx, a.bias, Activation::none, T(0), a.width);
  else if (packed)
    unpack(a, packed);
  return true;
}

template int64_t dnn_workspace(Direction, const Conv2dArgs<float>&);
template int64_t dnn_workspace(Direction, const Conv2dArgs<double>&);
template bool dnn_convolve(Direction, const Conv2dArgs<float>&);
template bool dnn_convolve(Direction, const Conv2dArgs<double>&);

}  // namespace fastnn::cuda
