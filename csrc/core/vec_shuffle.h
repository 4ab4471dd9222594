// Shuffles between vectors: transposing a square of lanes, and summing several vectors at once.
#pragma once

#include "core/vec.h"

namespace fastnn::FASTNN_ISA {

// In every 2 * kHalf lanes: the low, the high kHalf of a, then those of b.
template <int kHalf, class T, int... I>
FASTNN_INLINE Vec<T> low_halves(Vec<T> a, Vec<T> b, Lanes<I...>) {
  return __builtin_shufflevector(a, b, ((I & kHalf) == 0 ? I : kLanes<T> + I - kHalf)...);
}
template <int kHalf, class T, int... I>
FASTNN_INLINE Vec<T> high_halves(Vec<T> a, Vec<T> b, Lanes<I...>) {
  return __builtin_shufflevector(a, b, ((I & kHalf) == 0 ? I + kHalf : kLanes<T> + I)...);
}

// v[i][j] <-> v[j][i], by exchanging halves, quarters, ... of the square.
template <class T, int kHalf = kLanes<T> / 2>
FASTNN_INLINE void transpose(Vec<T>* v) {
  if constexpr (kHalf > 0) {
    using All = typename FirstLanes<kLanes<T>>::type;
#pragma GCC unroll 16
    for (int i = 0; i < kLanes<T>; ++i) {
      if (i & kHalf) continue;
      const Vec<T> a = v[i], b = v[i + kHalf];
      v[i] = low_halves<kHalf, T>(a, b, All{});
      v[i + kHalf] = high_halves<kHalf, T>(a, b, All{});
    }
    transpose<T, kHalf / 2>(v);
  }
}

// Three vectors of triples r g b r g b ... <-> one vector of each.
template <int kPlane, class T, int... I>
FASTNN_INLINE Vec<T> plane_of_three(const Vec<T>* v, Lanes<I...>) {
  constexpr int kW = kLanes<T>;
  const Vec<T> low = __builtin_shufflevector(v[0], v[1], (3 * I + kPlane < 2 * kW ? 3 * I + kPlane : 0)...);
  return __builtin_shufflevector(low, v[2], (3 * I + kPlane < 2 * kW ? I : 3 * I + kPlane - kW)...);
}
template <int kThird, class T, int... I>
FASTNN_INLINE Vec<T> third_of_triples(const Vec<T>* v, Lanes<I...>) {
  constexpr int kW = kLanes<T>, kFirst = kThird * kW;
  const Vec<T> low = __builtin_shufflevector(v[0], v[1],
                                             ((kFirst + I) % 3 == 0   ? (kFirst + I) / 3
                                              : (kFirst + I) % 3 == 1 ? kW + (kFirst + I) / 3
                                                                      : 0)...);
  return __builtin_shufflevector(low, v[2], ((kFirst + I) % 3 == 2 ? kW + (kFirst + I) / 3 : I)...);
}
template <class T>
FASTNN_INLINE void split_triples(Vec<T>* v) {
  using All = typename FirstLanes<kLanes<T>>::type;
  const Vec<T> a = plane_of_three<0, T>(v, All{}), b = plane_of_three<1, T>(v, All{});
  v[2] = plane_of_three<2, T>(v, All{});
  v[0] = a, v[1] = b;
}
template <class T>
FASTNN_INLINE void join_triples(Vec<T>* v) {
  using All = typename FirstLanes<kLanes<T>>::type;
  const Vec<T> a = third_of_triples<0, T>(v, All{}), b = third_of_triples<1, T>(v, All{});
  v[2] = third_of_triples<2, T>(v, All{});
  v[0] = a, v[1] = b;
}

// Five pixels of three bytes in reverse order: reads the byte in front of them too, writes one behind them.
inline constexpr bool kShufflesBytes =
#if defined(__SSSE3__) || defined(__aarch64__)
    true;
#else
    false;  // SSE2 has no shuffle of bytes
#endif
FASTNN_INLINE void reverse_five_triples(const uint8_t* p, uint8_t* dst) {
  typedef uint8_t Bytes __attribute__((vector_size(16)));
  Bytes v;
  __builtin_memcpy(&v, p - 1, 16);
  v = __builtin_shufflevector(v, v, 13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, 0);
  __builtin_memcpy(dst, &v, 16);
}

// n bytes, in steps of a vector: reads and writes up to a vector more.
FASTNN_INLINE void copy_beyond(uint8_t* dst, const uint8_t* src, int64_t n) {
  for (int64_t i = 0; i < n; i += kVectorBytes) store(dst + i, load(src + i));
}

FASTNN_INLINE void fill_beyond(uint8_t* dst, uint8_t value, int64_t n) {
  for (int64_t i = 0; i < n; i += kVectorBytes) store(dst + i, Vec<uint8_t>{} + value);
}

// The n values from p, again and again: 8, 16 or 32 bytes of them, less than a vector.
template <class T, int n>
FASTNN_INLINE Vec<T> repeat(const T* p) {
  constexpr int kSize = n * static_cast<int>(sizeof(T));
  static_assert(kSize == 8 || kSize == 16 || kSize == 32);
  static_assert(kSize < kVectorBytes);
  if constexpr (kSize == 8) {
    double pair;
    __builtin_memcpy(&pair, p, 8);
    return reinterpret_cast<Vec<T>>(splat(pair));
  }
#if defined(__AVX512F__)  // all lanes of a mask: GCC 12 warns of the plain form
  else if constexpr (kSize == 16)
    return reinterpret_cast<Vec<T>>(
        _mm512_maskz_broadcast_f32x4(0xffff, _mm_loadu_ps(reinterpret_cast<const float*>(p))));
  else
    return reinterpret_cast<Vec<T>>(
        _mm512_maskz_broadcast_f64x4(0xff, _mm256_loadu_pd(reinterpret_cast<const double*>(p))));
#elif defined(__AVX__)
  else
    return reinterpret_cast<Vec<T>>(_mm256_broadcast_ps(reinterpret_cast<const __m128*>(p)));
#endif
}

// Lane j of the result is the sum of the lanes of v[j]; v is used up. Halves are folded as in sum_lanes.
template <class T, int kHalf = kLanes<T> / 2>
FASTNN_INLINE Vec<T> sum_each(Vec<T>* v) {
  if constexpr (kHalf == 0) {
    return v[0];
  } else {
    using All = typename FirstLanes<kLanes<T>>::type;
#pragma GCC unroll 8
    for (int i = 0; i < kHalf; ++i)
      v[i] = low_halves<kHalf, T>(v[i], v[i + kHalf], All{}) + high_halves<kHalf, T>(v[i], v[i + kHalf], All{});
    return sum_each<T, kHalf / 2>(v);
  }
}

}  // namespace fastnn::FASTNN_ISA
