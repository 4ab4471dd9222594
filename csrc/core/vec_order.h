// The lesser and the greater of two lanes as one instruction: of a NaN, or of two zeros, the second operand.
#pragma once

#include "core/vec.h"

namespace fastnn::FASTNN_ISA {

// a < b ? a : b.
template <class T>
FASTNN_INLINE Vec<T> lesser(Vec<T> a, Vec<T> b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_maskz_min_ps(0xffff, (__m512)a, (__m512)b);
  else
    return (Vec<T>)_mm512_maskz_min_pd(0xff, (__m512d)a, (__m512d)b);
#else
  return select<T>(a < b, a, b);
#endif
}
// a > b ? a : b.
template <class T>
FASTNN_INLINE Vec<T> greater(Vec<T> a, Vec<T> b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);
  else
    return (Vec<T>)_mm512_maskz_max_pd(0xff, (__m512d)a, (__m512d)b);
#else
  return select<T>(a > b, a, b);
#endif
}

}  // namespace fastnn::FASTNN_ISA
