// Rows of bytes: cropped, padded and flipped; and bytes or values made into values, a factor and a shift a channel.
#pragma once

#include "core/vec_shuffle.h"
#include "cpu/elementwise.h"
#include "formulas/augment_pixels.h"

namespace fastnn::FASTNN_ISA {

inline constexpr int64_t kPixelSlack = 64;  // bytes behind a staged row that may be written

// n pixels in reverse order. Three channels go five pixels at a time, or as words of four bytes whose fourth
// the next pixel covers; neither may read past the last pixel of the source, which comes first.
FASTNN_INLINE void reverse_pixels(uint8_t* dst, const uint8_t* src, int64_t n, int64_t c) {
  if (n == 0) return;
  const uint8_t* from = src + (n - 1) * c;
  if (c == 3) {
    int64_t i = 0;
    if constexpr (kShufflesBytes)
      for (; i + 5 < n; i += 5) reverse_five_triples(from - 3 * (i + 4), dst + 3 * i);
    if (i == 0) __builtin_memcpy(dst, from, 3), i = 1;
    for (; i < n; ++i) {
      uint32_t word;
      __builtin_memcpy(&word, from - 3 * i, 4);
      __builtin_memcpy(dst + 3 * i, &word, 4);
    }
  } else if (c == 1) {
    for (int64_t i = 0; i < n; ++i) dst[i] = from[-i];
  } else {
    for (int64_t i = 0; i < n; ++i) __builtin_memcpy(dst + i * c, from - i * c, static_cast<size_t>(c));
  }
}

// ow pixels of the padded row from column `left` on, which may be negative; reversed if `flip`. A vector behind
// the row may be read if `roomy`, and behind dst be written.
template <class T>
FASTNN_INLINE void stage_row(const AugmentArgs<T>& a, const uint8_t* row, int64_t left, bool flip, bool roomy,
                             uint8_t* dst) {
  const int64_t c = a.c, n = a.ow;
  const int64_t begin = left < 0 ? (-left < n ? -left : n) : 0;
  const int64_t inside = a.w - left < n ? a.w - left : n, end = inside > begin ? inside : begin;
  const bool constant = a.padding == AugmentPadding::constant;
  // Each piece may write over the one behind it, which comes later.
  const int64_t first = flip ? n - end : begin, last = flip ? begin : n - end;
  if (constant) fill_beyond(dst, a.fill, first * c);
  if (flip)
    reverse_pixels(dst + first * c, row + (left + begin) * c, end - begin, c);
  else if (roomy)
    copy_beyond(dst + first * c, row + (left + begin) * c, (end - begin) * c);
  else
    __builtin_memcpy(dst + first * c, row + (left + begin) * c, static_cast<size_t>((end - begin) * c));
  if (constant) return fill_beyond(dst + (n - last) * c, a.fill, last * c);
  const auto outside = [&](int64_t j) {
    const int64_t from = padded_source(left + j, a.w, a.padding);
    __builtin_memcpy(dst + (flip ? n - 1 - j : j) * c, row + from * c, static_cast<size_t>(c));
  };
  for (int64_t j = 0; j < begin; ++j) outside(j);
  for (int64_t j = end; j < n; ++j) outside(j);
}

// n <= kLanes<T> lanes, most often all of them.
template <class T>
FASTNN_INLINE Vec<T> load_up_to(const T* p, int64_t n) {
  return n == kLanes<T> ? load(p) : load_n(p, n);
}
template <class T>
FASTNN_INLINE void store_up_to(T* p, Vec<T> v, int64_t n) {
  if (n == kLanes<T>)
    store(p, v);
  else
    store_n(p, v, n);
}

// factor and shift of `period` values in a row, period a multiple of the channels and of the vector.
template <class T>
struct Affine {
  const T *factor, *shift;
  int64_t period;
};

// y[i] = v[i] * factor[i mod period] + shift[i mod period], v given by read(i, n) as n lanes from i on.
template <bool kStreaming, class T, class Read>
FASTNN_INLINE void affine(int64_t n, const Affine<T>& by, T* y, const Read& read) {
  constexpr int64_t kW = kLanes<T>;
  for (int64_t i = 0; i < n; i += by.period) {
    const int64_t most = n - i < by.period ? n - i : by.period;
    int64_t j = 0;
    for (; j + kW <= most; j += kW)
      put<kStreaming, T>(y + i + j, fma(read(i + j, kW), load(by.factor + j), load(by.shift + j)));
    if (j < most) store_n(y + i + j, fma(read(i + j, most - j), load(by.factor + j), load(by.shift + j)), most - j);
  }
}

template <class T>
FASTNN_INLINE Vec<T> bytes_as_values(const uint8_t* p, int64_t n) {
  if (n == kLanes<T>) return to_float<T>(load_bytes<T>(p));
  uint8_t few[kLanes<T>] = {};
  for (int64_t i = 0; i < n; ++i) few[i] = p[i];
  return to_float<T>(load_bytes<T>(few));
}

// The same with one factor and no shift, from bytes.
template <class T>
FASTNN_INLINE void scale_bytes(const uint8_t* x, int64_t n, T factor, T* y) {
  constexpr int64_t kW = kLanes<T>;
  int64_t i = 0;
  for (; i + kW <= n; i += kW) store(y + i, bytes_as_values<T>(x + i, kW) * factor);
  if (i < n) store_n(y + i, bytes_as_values<T>(x + i, n - i) * factor, n - i);
}

}  // namespace fastnn::FASTNN_ISA
