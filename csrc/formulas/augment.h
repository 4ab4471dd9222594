// What is random about one image: words of Philox under the counter (block, epoch, sample), a fixed block and
// word for each use. Draws gives the words of Draws::kStep blocks at a time.
#pragma once

#include <cmath>

#include "formulas/log.h"
#include "ops/augment.h"

namespace fastnn::FASTNN_ISA {

inline constexpr int kAttempts = 10;  // to place a random part within the image
enum DrawBlock : uint64_t { kFlipBlock = 0, kJitterBlock, kColourBlock, kCutoutBlock };
inline constexpr uint64_t kCropBlock = 16, kEraseBlock = 32, kNoiseBlock = 64;

// The words of kBlocks blocks.
template <int64_t kBlocks, class Draws>
struct DrawnBlocks {
  static constexpr int64_t kRoom = kBlocks > Draws::kStep ? kBlocks : Draws::kStep;
  uint32_t w[4 * kRoom];
  FASTNN_MEMBER DrawnBlocks(const Draws& draws, uint64_t block) {
    for (int64_t i = 0; i < kBlocks; i += Draws::kStep)
      draws.template words<1>(block + static_cast<uint64_t>(i), w + 4 * i);
  }
  FASTNN_MEMBER const uint32_t* of(DrawBlock block) const { return w + 4 * block; }
};

// A whole number in [0, n), n <= 2^32.
FASTNN_INLINE int64_t below(uint32_t word, int64_t n) {
  return static_cast<int64_t>((static_cast<uint64_t>(word) * static_cast<uint64_t>(n)) >> 32);
}
FASTNN_INLINE double uniform(uint32_t word, AugmentRange range) {
  return range.least + (range.most - range.least) * (static_cast<double>(word) / 4294967296.0);
}
FASTNN_INLINE int64_t rounded(double x) { return static_cast<int64_t>(x + 0.5); }  // x >= 0

struct Rectangle {
  int64_t top = 0, left = 0, height = 0, width = 0;
};

// One random rectangle of a share of the area and an aspect: first is sqrt(area aspect), second sqrt(area / aspect).
struct Part {
  int64_t first, second;
  uint32_t top, left;

  template <class Draws>
  FASTNN_MEMBER Part(const Draws& draws, uint64_t block, int64_t area, AugmentRange scale, AugmentRange log_ratio) {
    const DrawnBlocks<1, Draws> words(draws, block);
    const double target = static_cast<double>(area) * uniform(words.w[0], scale);
    const double aspect = ::exp(uniform(words.w[1], log_ratio));
    first = rounded(::sqrt(target * aspect));
    second = rounded(::sqrt(target / aspect));
    top = words.w[2], left = words.w[3];
  }
};

// torchvision's RandomResizedCrop: the first attempt that fits, else the largest central part of a legal aspect.
template <class T, class Draws>
FASTNN_INLINE Rectangle resized_part(const AugmentArgs<T>& a, const Draws& draws) {
  for (uint64_t attempt = 0; attempt < kAttempts; ++attempt) {
    const Part p(draws, kCropBlock + attempt, a.h * a.w, a.scale, a.log_ratio);
    if (p.first > 0 && p.first <= a.w && p.second > 0 && p.second <= a.h)
      return {below(p.top, a.h - p.second + 1), below(p.left, a.w - p.first + 1), p.second, p.first};
  }
  int64_t height = a.h, width = a.w;
  const double h = static_cast<double>(a.h), w = static_cast<double>(a.w);
  if (w < a.ratio.least * h)
    height = rounded(w / a.ratio.least) > 0 ? rounded(w / a.ratio.least) : 1;
  else if (w > a.ratio.most * h)
    width = rounded(h * a.ratio.most) > 0 ? rounded(h * a.ratio.most) : 1;
  return {(a.h - height) / 2, (a.w - width) / 2, height, width};
}

// torchvision's RandomErasing: the first attempt that is smaller than the image, else nothing.
template <class T, class Draws>
FASTNN_INLINE Rectangle erased_part(const AugmentArgs<T>& a, const Draws& draws) {
  for (uint64_t attempt = 0; attempt < kAttempts; ++attempt) {
    const Part p(draws, kEraseBlock + attempt, a.oh * a.ow, a.erase_scale, a.erase_log_ratio);
    if (p.first < a.oh && p.second < a.ow)
      return {below(p.top, a.oh - p.first + 1), below(p.left, a.ow - p.second + 1), p.first, p.second};
  }
  return {};
}

// Everything but noise. A crop may begin in the padding, at a negative row or column.
struct Plan {
  bool flip_h, flip_v;
  Rectangle part, cut, erased;
  double brightness, contrast, saturation;
  uint32_t colour[4];
};

template <class T, class Draws>
FASTNN_INLINE Plan plan_image(const AugmentArgs<T>& a, const Draws& draws) {
  const DrawnBlocks<4, Draws> words(draws, 0);
  const uint32_t *flips = words.of(kFlipBlock), *jitter = words.of(kJitterBlock);
  Plan plan{};
  plan.flip_h = flips[0] < a.flip_h;
  plan.flip_v = flips[1] < a.flip_v;
  const int64_t rows = a.h + 2 * a.pad_h - a.oh, columns = a.w + 2 * a.pad_w - a.ow;
  switch (a.crop) {
    case AugmentCrop::random:
      plan.part = {below(flips[2], rows + 1) - a.pad_h, below(flips[3], columns + 1) - a.pad_w, a.oh, a.ow};
      break;
    case AugmentCrop::center:
      plan.part = {rows / 2 - a.pad_h, columns / 2 - a.pad_w, a.oh, a.ow};
      break;
    case AugmentCrop::resized:
      plan.part = resized_part(a, draws);
      break;
    case AugmentCrop::whole:
      plan.part = {0, 0, a.h, a.w};
  }
  plan.brightness = uniform(jitter[1], a.brightness);
  plan.contrast = uniform(jitter[2], a.contrast);
  plan.saturation = uniform(jitter[3], a.saturation);
  if (a.cutout > 0) {
    const uint32_t* cut = words.of(kCutoutBlock);
    const int64_t top = below(cut[0], a.oh) - a.cutout / 2, left = below(cut[1], a.ow) - a.cutout / 2;
    const int64_t bottom = top + a.cutout < a.oh ? top + a.cutout : a.oh;
    const int64_t right = left + a.cutout < a.ow ? left + a.cutout : a.ow;
    plan.cut.top = top > 0 ? top : 0, plan.cut.left = left > 0 ? left : 0;
    plan.cut.height = bottom - plan.cut.top, plan.cut.width = right - plan.cut.left;
  }
  if (jitter[0] < a.erase) plan.erased = erased_part(a, draws);
  __builtin_memcpy(plan.colour, words.of(kColourBlock), sizeof plan.colour);
  return plan;
}

// ---- normal numbers: Box and Muller, from the upper 24 bits of two words, which float32 holds exactly ----

// sin(2 pi x) for |x| <= 1/4: terms up to the 13th, in double the 23rd power, the next being below a quarter ULP.
template <class T>
FASTNN_INLINE Vec<T> sine_of_turns(Vec<T> x) {
  constexpr int kTerms = sizeof(T) == 4 ? 7 : 12;
  const Vec<T> t = x * static_cast<T>(6.28318530717958647692), z = t * t;
  Vec<T> p = splat(static_cast<T>(1));
#ifndef __CUDACC__  // which unrolls it unasked
#pragma GCC unroll 12
#endif
  for (int i = kTerms - 1; i > 0; --i)
    p = splat(static_cast<T>(1)) - p * z * static_cast<T>(1.0 / ((2 * i) * (2 * i + 1)));
  return t * p;
}

// From a number in (0, 1] and an angle in turns: the cosine's, or with a quarter less the sine's.
template <class T>
FASTNN_INLINE Vec<T> normal_of(Vec<T> uniform, Vec<T> turn) {
  // cos(2 pi t) = sin(2 pi (1/4 - |t|)) for |t| <= 1/2
  const Vec<T> half = splat(static_cast<T>(0.5));
  const Vec<T> near = abs<T>(select<T>(turn > half, turn - static_cast<T>(1), turn));
  const Vec<T> cosine = sine_of_turns<T>(static_cast<T>(0.25) - near);
  return sqrt(static_cast<T>(-2) * log<T>(uniform)) * cosine;
}

}  // namespace fastnn::FASTNN_ISA
