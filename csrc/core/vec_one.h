// Vectors of one lane: with them the CPU's formulas, one source, are the formulas of a GPU's threads too.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#ifdef __CUDACC__
#define FASTNN_INLINE static __device__ __host__ __forceinline__
#define FASTNN_MEMBER __device__ __host__ __forceinline__
#else
#define FASTNN_INLINE static inline
#define FASTNN_MEMBER inline
#endif

namespace fastnn::FASTNN_ISA {

inline constexpr bool kFusedMultiplyAdd = true;

template <class T>
using Vec = T;

template <class T>
struct IntOf;
template <>
struct IntOf<float> {
  using type = int32_t;
};
template <>
struct IntOf<double> {
  using type = int64_t;
};
template <class T>
using Int = typename IntOf<T>::type;

FASTNN_INLINE float splat(float x) { return x; }
FASTNN_INLINE double splat(double x) { return x; }
FASTNN_INLINE float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
FASTNN_INLINE double fma(double a, double b, double c) { return ::fma(a, b, c); }
FASTNN_INLINE float sqrt(float a) { return ::sqrtf(a); }
FASTNN_INLINE double sqrt(double a) { return ::sqrt(a); }

template <class To, class From>
FASTNN_INLINE To bits(From v) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &v, sizeof(To));
  return to;
}
template <class T>
FASTNN_INLINE T to_float(Int<T> n) {
  return static_cast<T>(n);
}
template <class T>
FASTNN_INLINE T select(bool mask, T a, T b) {
  return mask ? a : b;
}
template <class T>
FASTNN_INLINE T max_nan(T a, T b) {
  return a > b || a != a ? a : b;
}
template <class T>
FASTNN_INLINE T abs(T a) {
  using I = Int<T>;
  constexpr I keep = static_cast<I>(~(static_cast<uint64_t>(1) << (8 * sizeof(T) - 1)));
  return bits<T, I>(bits<I, T>(a) & keep);
}

// a * 2^n, rounded once; n is within twice the range of T's exponent.
template <class T>
FASTNN_INLINE T scale_by_power(T a, Int<T> n) {
  constexpr int kBias = sizeof(T) == 4 ? 127 : 1023, kMantissa = sizeof(T) == 4 ? 23 : 52;
  const Int<T> half = n >> 1;
  return a * bits<T, Int<T>>((half + kBias) << kMantissa) * bits<T, Int<T>>((n - half + kBias) << kMantissa);
}

}  // namespace fastnn::FASTNN_ISA
