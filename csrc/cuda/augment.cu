#include "core/philox.h"
#include "cuda/array_list.cuh"
#include "cuda/augment_plan.cuh"
#include "cuda/step_inputs.h"
#include "cuda/sums.cuh"
#include "ops/augment.h"

namespace fastnn::cuda {
namespace {

template <class T>
__device__ T brightened(const AugmentArgs<T>& a, const ImagePlan<T>& plan, T v) {
  return a.brighten ? blend<T>(v, plan.brightness, 0) : v;
}

// The mean of gray after brightness, towards which contrast moves: one block an image.
template <class T>
__global__ void contrast_kernel(AugmentArgs<T> a, AugmentSpace<T> space, T unit) {
  ImagePlan<T>& plan = space.plans[blockIdx.x];
  const PixelSource<T> source(a, space, plan, blockIdx.x, unit);
  const uint32_t pixels = static_cast<uint32_t>(a.oh * a.ow), width = static_cast<uint32_t>(a.ow);
  double sum = 0;
  for (uint32_t i = threadIdx.x; i < pixels && plan.source >= 0; i += kThreads) {
    T v[3] = {};
    for (int q = 0; q < 3; ++q)
      if (q < a.c) v[q] = brightened(a, plan, source.value(i / width, i % width, q));
    sum += static_cast<double>(a.c == 3 ? gray_of<3, T>(v) : v[0]);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) plan.toward = static_cast<T>(sum / pixels) * plan.contrast_rest;
}

// Normal numbers for four elements in a row, from one block of Philox.
template <class T>
__device__ void four_normals(const ImageDraws& draws, uint32_t first, T (&z)[4]) {
  constexpr T kStep = static_cast<T>(1.0 / 16777216);
  uint32_t words[4];
  draws.words<1>(kNoiseBlock + first / 4, words);
#pragma unroll
  for (int k = 0; k < 4; k += 2) {
    const T radius = static_cast<T>(static_cast<int32_t>(words[k] >> 8) + 1) * kStep;
    const T turn = static_cast<T>(static_cast<int32_t>(words[k + 1] >> 8)) * kStep;
    z[k] = normal_of<T>(radius, turn);
    z[k + 1] = normal_of<T>(radius, turn - static_cast<T>(0.25));
  }
}

// Four values of one image a thread. Saturation alone needs all kPlanes = 3 channels of a pixel.
template <int kPlanes, class T>
__global__ void augment_kernel(AugmentArgs<T> a, AugmentSpace<T> space, T unit, uint32_t blocks_an_image) {
  const uint32_t image = blockIdx.x / blocks_an_image, c = static_cast<uint32_t>(a.c);
  const uint32_t width = static_cast<uint32_t>(a.ow), size = static_cast<uint32_t>(a.oh) * width * c;
  const uint32_t first = ((blockIdx.x - image * blocks_an_image) * kThreads + threadIdx.x) * 4;
  if (first >= size) return;
  const ImagePlan<T>& plan = space.plans[image];
  const PixelSource<T> source(a, space, plan, image, unit);
  const bool noisy = a.noise > 0;
  T z[4] = {}, out[4] = {}, v[kPlanes] = {};
  if (noisy) four_normals(ImageDraws(a.seed, a.epoch, plan.sample), first, z);
  const uint32_t pixel = first / c;
  uint32_t q = first - pixel * c, row = pixel / width, column = pixel - row * width;
  for (uint32_t k = 0; k < 4 && first + k < size; ++k) {
    if (plan.source < 0) {
      out[k] = static_cast<T>(NAN);
      continue;
    }
    if (kPlanes == 1 || k == 0 || q == 0) {
#pragma unroll
      for (uint32_t p = 0; p < kPlanes; ++p) {
        v[p] = brightened(a, plan, source.value(row, column, kPlanes == 1 ? q : p));
        if (a.contrasting) v[p] = blend<T>(v[p], plan.contrast, plan.toward);
      }
      if constexpr (kPlanes == 3) {
        const T own = gray_of<3, T>(v) * plan.saturation_rest;
#pragma unroll
        for (int p = 0; p < 3; ++p) v[p] = blend<T>(v[p], plan.saturation, own);
      }
    }
    T value = v[0];
    if constexpr (kPlanes == 3) value = q == 0 ? v[0] : q == 1 ? v[1] : v[2];
    if (a.has_pca) value += plan.offset[q];
    if (noisy) value = clip01<T>(fma(z[k], static_cast<T>(a.noise), value));
    value = fma(value, space.factor[q], space.shift[q]);
    if (covers(plan.cut, row, column) || covers(plan.erased, row, column)) value = static_cast<T>(a.erase_value);
    out[k] = value;
    if (++q == c) {
      q = 0;
      if (++column == width) column = 0, ++row;
    }
  }
  T* y = a.y + static_cast<int64_t>(image) * size + first;
#pragma unroll
  for (uint32_t k = 0; k < 4; k += kPack<T>) {
    Pack<T> pack;
#pragma unroll
    for (int j = 0; j < kPack<T>; ++j) pack.at[j] = out[k + j];
    store_pack(y + k, pack, static_cast<int64_t>(size) - first - k);
  }
}

template <class T>
void run(const AugmentArgs<T>& a) {
  refuse_in_captured_step("augment");  // seed and epoch are values
  const int64_t size = a.oh * a.ow * a.c;
  if (a.n * size == 0) return;
  const AugmentSpace<T> space(a);
  // As on the CPU: from bytes in one step, else from values in [0, 1].
  const bool colours = a.brighten || a.contrasting || a.saturate || a.has_pca || a.noise > 0;
  const T unit = colours || resizes(a) ? static_cast<T>(1 / a.max_value) : T{1};
  plan_images(a, space, colours || resizes(a) ? 1 : 1 / a.max_value);
  if (a.contrasting) FASTNN_LAUNCH(contrast_kernel<T>, a.n, kThreads, 0, a, space, unit);
  const int64_t blocks = ceil_div(size, 4 * kThreads);
  if (a.saturate)
    FASTNN_LAUNCH((augment_kernel<3, T>), a.n * blocks, kThreads, 0, a, space, unit, static_cast<uint32_t>(blocks));
  else
    FASTNN_LAUNCH((augment_kernel<1, T>), a.n * blocks, kThreads, 0, a, space, unit, static_cast<uint32_t>(blocks));
}

template <class T>
int64_t workspace(AugmentArgs<T> a) {
  a.workspace = nullptr;
  return AugmentSpace<T>(a).bytes;
}

}  // namespace

int64_t augment_workspace(const AugmentArgs<float>& a) { return workspace(a); }
int64_t augment_workspace(const AugmentArgs<double>& a) { return workspace(a); }
void augment(const AugmentArgs<float>& a) { run(a); }
void augment(const AugmentArgs<double>& a) { run(a); }
FASTNN_CUDA_KERNEL(int64_t, augment_workspace, AugmentArgs)
FASTNN_CUDA_KERNEL(void, augment, AugmentArgs)

}  // namespace fastnn::cuda
