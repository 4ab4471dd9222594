// What is random about each image, its taps and the channels' factors: made on the device before the pixels are.
#pragma once

#include "core/philox.h"
#include "cuda/launch.h"
#include "formulas/augment.h"
#include "formulas/augment_pixels.h"

namespace fastnn::cuda {

// The random words of one image.
class ImageDraws {
 public:
  static constexpr int64_t kStep = 1;  // blocks at a time

  __device__ ImageDraws(uint64_t seed, uint32_t epoch, uint64_t sample) : seed_(seed), epoch_(epoch), sample_(sample) {}

  template <int kSteps>
  __device__ __host__ void words(uint64_t block, uint32_t* words) const {
    static_assert(kSteps == 1);
    const uint32_t counter[4] = {static_cast<uint32_t>(block), epoch_, static_cast<uint32_t>(sample_),
                                 static_cast<uint32_t>(sample_ >> 32)};
    uint32_t found[4];
    Philox::block(counter, static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32), found);
    for (int i = 0; i < 4; ++i) words[i] = found[i];
  }

 private:
  uint64_t seed_;
  uint32_t epoch_;
  uint64_t sample_;
};

template <class T>
struct ImagePlan {
  int64_t source;  // which image, -1 where the index or the sample is out of range: an image of NaN
  uint64_t sample;
  bool flip_h, flip_v;
  Rectangle part, cut, erased;
  T brightness, contrast, contrast_rest, saturation, saturation_rest;
  T toward;  // mean gray times contrast_rest
  T offset[3];
};

template <class T>
bool resizes(const AugmentArgs<T>& a) {
  return a.crop == AugmentCrop::resized || a.crop == AugmentCrop::whole;
}

// The workspace, cut up. Taps: those of an image's rows, then those of its columns.
template <class T>
struct AugmentSpace {
  ImagePlan<T>* plans;  // (n)
  T *factor, *shift;    // (c)
  int32_t *first, *count;
  T* weights;
  int64_t most, bytes;  // weights that an output has room for

  explicit AugmentSpace(const AugmentArgs<T>& a) {
    int64_t taps = 0;
    most = 0;
    if (resizes(a)) {
      taps = a.n * (a.oh + a.ow);
      const int64_t rows = TapRange::room(a.h, a.oh), columns = TapRange::room(a.w, a.ow);
      most = rows > columns ? rows : columns;
    }
    char *const base = static_cast<char*>(a.workspace), *at = base;
    const auto take = [&]<class U>(U*& p, int64_t items) {
      p = reinterpret_cast<U*>(at);
      at += (items * static_cast<int64_t>(sizeof(U)) + 15) / 16 * 16;
    };
    take(plans, a.n), take(factor, a.c), take(shift, a.c), take(first, taps), take(count, taps);
    take(weights, taps * most);
    bytes = at - base;
  }
};

template <class T>
__global__ void plan_kernel(AugmentArgs<T> a, int64_t images, AugmentSpace<T> space) {
  const int64_t k = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (k >= a.n) return;
  ImagePlan<T>& to = space.plans[k];
  const int64_t source = a.index ? a.index[k] : k;
  const uint64_t sample = a.sample ? a.sample[k] : static_cast<uint64_t>(source);
  to.source = source < 0 || source >= images || sample >> 63 ? -1 : source;
  to.sample = sample;
  const Plan plan = plan_image(a, ImageDraws(a.seed, a.epoch, sample));
  to.flip_h = plan.flip_h, to.flip_v = plan.flip_v;
  to.part = plan.part, to.cut = plan.cut, to.erased = plan.erased;
  to.brightness = static_cast<T>(plan.brightness);
  to.contrast = static_cast<T>(plan.contrast), to.contrast_rest = static_cast<T>(1 - plan.contrast);
  to.saturation = static_cast<T>(plan.saturation), to.saturation_rest = static_cast<T>(1 - plan.saturation);
  if (!a.has_pca) return;
  double z[3];
  for (int i = 0; i < 3; ++i) {
    constexpr double kStep = 1.0 / 16777216;
    const uint32_t* pair = plan.colour + (i & ~1);
    z[i] = normal_of<double>((static_cast<double>(pair[0] >> 8) + 1) * kStep,
                             static_cast<double>(pair[1] >> 8) * kStep - (i & 1 ? 0.25 : 0.0));
  }
  for (int p = 0; p < 3; ++p)
    to.offset[p] = static_cast<T>(a.pca[p][0] * z[0] + a.pca[p][1] * z[1] + a.pca[p][2] * z[2]);
}

template <class T>
__global__ void taps_kernel(AugmentArgs<T> a, AugmentSpace<T> space) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x, each = a.oh + a.ow;
  if (i >= a.n * each) return;
  const ImagePlan<T>& plan = space.plans[i / each];
  const bool is_row = i % each < a.oh;
  const int64_t at = is_row ? i % each : i % each - a.oh, out = is_row ? a.oh : a.ow;
  const bool flip = is_row ? plan.flip_v : plan.flip_h;
  const TapRange range(is_row ? plan.part.height : plan.part.width, out, flip ? out - 1 - at : at);
  const double sum = range.sum();
  for (int64_t k = range.begin; k < range.end; ++k)
    space.weights[i * space.most + k - range.begin] = static_cast<T>(range.weight(k) / sum);
  space.first[i] = static_cast<int32_t>(range.begin);
  space.count[i] = static_cast<int32_t>(range.end - range.begin);
}

// Factors and shifts of some channels, which the host knows.
template <class T>
struct Channels {
  static constexpr int kMost = 128;
  T factor[kMost], shift[kMost];
};
template <class T>
__global__ void channels_kernel(Channels<T> by, int count, T* factor, T* shift) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < count) factor[i] = by.factor[i], shift[i] = by.shift[i];
}

template <class T>
void plan_images(const AugmentArgs<T>& a, const AugmentSpace<T>& space, double unit) {
  for (int64_t begin = 0; begin < a.c; begin += Channels<T>::kMost) {
    Channels<T> by{};
    const int count = static_cast<int>(a.c - begin < Channels<T>::kMost ? a.c - begin : Channels<T>::kMost);
    for (int i = 0; i < count; ++i) {
      by.factor[i] = static_cast<T>(unit / a.std[begin + i]);
      by.shift[i] = static_cast<T>(-a.mean[begin + i] / a.std[begin + i]);
    }
    FASTNN_LAUNCH(channels_kernel<T>, 1, Channels<T>::kMost, 0, by, count, space.factor + begin, space.shift + begin);
  }
  FASTNN_LAUNCH(plan_kernel<T>, ceil_div(a.n, kThreads), kThreads, 0, a, a.images, space);
  if (resizes(a)) FASTNN_LAUNCH(taps_kernel<T>, ceil_div(a.n * (a.oh + a.ow), kThreads), kThreads, 0, a, space);
}

__device__ inline bool covers(const Rectangle& r, int64_t row, int64_t column) {
  return row >= r.top && row < r.top + r.height && column >= r.left && column < r.left + r.width;
}

// The values of one image, cropped or resized and flipped, times `unit`.
template <class T>
struct PixelSource {
  const AugmentArgs<T>& a;
  const ImagePlan<T>& plan;
  const uint8_t* image;
  T unit;
  const int32_t *first, *count;
  const T* weights;
  int64_t most;
  bool resized;

  __device__ PixelSource(const AugmentArgs<T>& a_, const AugmentSpace<T>& space, const ImagePlan<T>& plan_, int64_t k,
                         T unit_)
      : a(a_), plan(plan_), image(a_.x + plan_.source * a_.stride_n), unit(unit_), most(space.most) {
    const int64_t taps = k * (a.oh + a.ow);
    resized = a.crop == AugmentCrop::resized || a.crop == AugmentCrop::whole;
    first = space.first + taps, count = space.count + taps, weights = space.weights + taps * most;
  }

  __device__ T value(int64_t row, int64_t column, int64_t q) const {
    if (resized) return mixed(row, column, q);
    const int64_t i = padded_source(plan.part.top + (plan.flip_v ? a.oh - 1 - row : row), a.h, a.padding);
    const int64_t j = padded_source(plan.part.left + (plan.flip_h ? a.ow - 1 - column : column), a.w, a.padding);
    const uint8_t byte = i < 0 || j < 0 ? a.fill : image[i * a.stride_h + j * a.stride_w + q * a.stride_c];
    return static_cast<T>(byte) * unit;
  }

 private:
  // Rows first, as on the CPU: the same products in the same order.
  __device__ T mixed(int64_t row, int64_t column, int64_t q) const {
    const int64_t at = a.oh + column;
    const uint8_t* corner =
        image + (plan.part.top + first[row]) * a.stride_h + (plan.part.left + first[at]) * a.stride_w + q * a.stride_c;
    T sum = 0;
    for (int32_t j = 0; j < count[at]; ++j) {
      T line = 0;
      for (int32_t i = 0; i < count[row]; ++i)
        line = fma(static_cast<T>(corner[i * a.stride_h + j * a.stride_w]), weights[row * most + i], line);
      sum += weights[at * most + j] * (line * unit);
    }
    return sum;
  }
};

}  // namespace fastnn::cuda
