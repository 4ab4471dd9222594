// Pairs of bfloat16: two values in the 32 bits of a lane, the first in the low half, carried in vectors of float32
// that only these functions look into. AVX512-BF16 multiplies and adds two pairs where an FMA does one value.
#pragma once

#include "core/vec.h"

namespace fastnn::FASTNN_ISA {

// Compiled in with AVX-512; whether the CPU has the instructions is has_bfloat16_dot() of core/isa.h.
#if defined(__AVX512F__)
template <class T>
inline constexpr bool kHasPairs = sizeof(T) == sizeof(float);
#else
template <class T>
inline constexpr bool kHasPairs = false;
#endif

#if defined(__AVX512F__)
// As assembly: the flags of this ISA leave the instructions out, so that the compiler uses them nowhere else.

// c + the products of the pairs' first and of their second values. Subnormal operands count as zero.
FASTNN_INLINE Vec<float> dot_pairs(Vec<float> a, Vec<float> b, Vec<float> c) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
  return c;
}

// Values rounded to nearest even: low's in the low 16 halves of lanes, in order, then high's.
FASTNN_INLINE Vec<float> round_to_halves(Vec<float> low, Vec<float> high) {
  Vec<float> r;
  asm("vcvtne2ps2bf16 %1, %2, %0" : "=v"(r) : "v"(low), "v"(high));
  return r;
}

// Neighbours: (p[0], p[1]), (p[2], p[3]), ... of the first n values, zeros behind them.
FASTNN_INLINE Vec<float> pairs_along(const float* p, int64_t n) {
  constexpr int64_t kL = kLanes<float>;
  if (n >= 2 * kL) return round_to_halves(load(p), load(p + kL));
  return round_to_halves(load_n(p, n < kL ? n : kL), n > kL ? load_n(p + kL, n - kL) : Vec<float>{});
}

// (p[0], q[0]), (p[1], q[1]), ... of the first n values; zeros for q if it is null.
FASTNN_INLINE Vec<float> pairs_across(const float* p, const float* q, int64_t n) {
  const bool whole = n >= kLanes<float>;
  const Vec<float> first = whole ? load(p) : load_n(p, n);
  const Vec<float> second = !q ? Vec<float>{} : whole ? load(q) : load_n(q, n);
  typedef int16_t Halves __attribute__((vector_size(64)));
  const Halves h = (Halves)round_to_halves(first, second);
  return (Vec<float>)__builtin_shufflevector(h, h, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25,
                                             10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

// One pair.
FASTNN_INLINE float pair_of(float first, float second) {
  const float values[2] = {first, second};
  return pairs_along(values, 2)[0];
}
#else
Vec<float> dot_pairs(Vec<float> a, Vec<float> b, Vec<float> c);
Vec<float> pairs_along(const float* p, int64_t n);
Vec<float> pairs_across(const float* p, const float* q, int64_t n);
float pair_of(float first, float second);
#endif

}  // namespace fastnn::FASTNN_ISA
