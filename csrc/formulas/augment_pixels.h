// Where the pixels of a crop or a resized part come from, and what colour does to them.
#pragma once

#include "core/vec_order.h"
#include "ops/augment.h"

namespace fastnn::FASTNN_ISA {

// Where row or column i of the padded image comes from, or -1.
FASTNN_INLINE int64_t padded_source(int64_t i, int64_t n, AugmentPadding mode) {
  if (i >= 0 && i < n) return i;
  switch (mode) {
    case AugmentPadding::edge:
      return i < 0 ? 0 : n - 1;
    case AugmentPadding::reflect:
      return i < 0 ? -i : 2 * n - 2 - i;
    case AugmentPadding::symmetric:
      return i < 0 ? -1 - i : 2 * n - 1 - i;
    case AugmentPadding::constant:
      break;
  }
  return -1;
}

// The source rows (or columns) of an output of a resized part, and their weights: bilinear, widened by the scale where
// it shrinks.
struct TapRange {
  double center, support;
  int64_t begin, end;

  FASTNN_MEMBER TapRange(int64_t size, int64_t out, int64_t i) {
    const double scale = static_cast<double>(size) / static_cast<double>(out);
    support = scale > 1 ? scale : 1;
    center = (static_cast<double>(i) + 0.5) * scale;
    const int64_t low = static_cast<int64_t>(center - support + 0.5);
    const int64_t high = static_cast<int64_t>(center + support + 0.5);
    begin = low > 0 ? low : 0, end = high < size ? high : size;
  }
  FASTNN_MEMBER double weight(int64_t k) const {
    const double d = (static_cast<double>(k) + 0.5 - center) / support, height = d < 0 ? 1 + d : 1 - d;
    return height > 0 ? height : 0;
  }
  FASTNN_MEMBER double sum() const {
    double sum = 0;
    for (int64_t k = begin; k < end; ++k) sum += weight(k);
    return sum;
  }
  // Taps of an output for a shrinkage of at most size / out.
  static FASTNN_MEMBER int64_t room(int64_t size, int64_t out) { return 2 * ((size + out - 1) / out) + 2; }
};

// ITU-R BT.601 luma, as Pillow and torchvision round it.
inline constexpr double kRed = 0.2989, kGreen = 0.587, kBlue = 0.114;

template <class T>
FASTNN_INLINE Vec<T> clip01(Vec<T> v) {
  return lesser<T>(greater<T>(v, Vec<T>{}), splat(static_cast<T>(1)));
}
// v f + other (1 - f), other already multiplied.
template <class T>
FASTNN_INLINE Vec<T> blend(Vec<T> v, T factor, Vec<T> other) {
  return clip01<T>(fma(v, splat(factor), other));
}

template <int kPlanes, class T>
FASTNN_INLINE Vec<T> gray_of(const Vec<T>* v) {
  if constexpr (kPlanes == 1)
    return v[0];
  else
    return fma(v[2], splat(static_cast<T>(kBlue)),
               fma(v[1], splat(static_cast<T>(kGreen)), v[0] * static_cast<T>(kRed)));
}

}  // namespace fastnn::FASTNN_ISA
