// One bit a lane, set where the lane is positive: what a later pass needs of an array, at a 32nd of float32's bytes.
#pragma once

#include "core/vec.h"

namespace fastnn::FASTNN_ISA {

template <class T>
struct SignsOf {
  using type = uint8_t;
};
#if defined(__AVX512F__)
template <>
struct SignsOf<float> {
  using type = uint16_t;
};
#endif
// The bits of one vector; lane i is bit i.
template <class T>
using Signs = typename SignsOf<T>::type;

template <class T>
FASTNN_INLINE Signs<T> positive(Vec<T> v) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return _mm512_cmp_ps_mask((__m512)v, _mm512_setzero_ps(), _CMP_GT_OQ);
  else
    return _mm512_cmp_pd_mask((__m512d)v, _mm512_setzero_pd(), _CMP_GT_OQ);
#else
  const Vec<Int<T>> mask = v > 0;
#if defined(__AVX2__)
  return static_cast<Signs<T>>(sizeof(T) == 4 ? _mm256_movemask_ps((__m256)mask) : _mm256_movemask_pd((__m256d)mask));
#elif defined(__x86_64__)
  return static_cast<Signs<T>>(sizeof(T) == 4 ? _mm_movemask_ps((__m128)mask) : _mm_movemask_pd((__m128d)mask));
#else
  unsigned signs = 0;
  for (int i = 0; i < kLanes<T>; ++i) signs |= (mask[i] & 1u) << i;
  return static_cast<Signs<T>>(signs);
#endif
#endif
}

// 1 where the bit is set, else 0.
template <class T>
FASTNN_INLINE Vec<T> from_signs(Signs<T> signs) {
  const Vec<T> one = splat(static_cast<T>(1));
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_maskz_mov_ps(signs, (__m512)one);
  else
    return (Vec<T>)_mm512_maskz_mov_pd(signs, (__m512d)one);
#else
  const Vec<Int<T>> own = (Vec<Int<T>>{} + 1) << lane_numbers<T>();
  return select<T>((own & static_cast<Int<T>>(signs)) != 0, one, Vec<T>{});
#endif
}

}  // namespace fastnn::FASTNN_ISA
