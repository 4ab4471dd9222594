// Vectors of the ISA that this file is compiled for: the only place with vector types or intrinsics.
// Everything lives in the ISA's namespace and inlines, so no symbol is shared between ISAs.
#pragma once

#ifdef FASTNN_TARGET_CUDA
#include "core/vec_one.h"
#else

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifndef FASTNN_ISA
#error "vec.h is for the per-ISA kernels"
#endif

#define FASTNN_INLINE static inline __attribute__((always_inline))
#define FASTNN_MEMBER inline __attribute__((always_inline))

namespace fastnn::FASTNN_ISA {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif
// fma rounds once, if the machine's instruction is used for it below.
#if defined(__FMA__) || defined(__aarch64__)
inline constexpr bool kFusedMultiplyAdd = true;
#else
inline constexpr bool kFusedMultiplyAdd = false;
#endif

template <class T>
struct VecOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using Vec = typename VecOf<T>::type;
template <class T>
inline constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

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

// ---- moving ----
// Through a vector type aligned as its element: such a store may change other T, but not the pointers and
// sizes of a loop, which after a memcpy would all be read again.
template <class T>
struct UnalignedVecOf {
  typedef T type __attribute__((vector_size(kVectorBytes), aligned(sizeof(T))));
};
template <class T>
FASTNN_INLINE Vec<T> load(const T* p) {
  return *reinterpret_cast<const typename UnalignedVecOf<T>::type*>(p);
}
template <class T>
FASTNN_INLINE void store(T* p, Vec<T> v) {
  *reinterpret_cast<typename UnalignedVecOf<T>::type*>(p) = v;
}

// Keeps v in a register: GCC would rather read it from memory again for each of its uses.
template <class V>
FASTNN_INLINE void keep(V& v) {
#if defined(__AVX512F__)
  asm("" : "+v"(v));
#elif defined(__x86_64__)
  asm("" : "+x"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
}

// Asks for the line of p; any address will do.
template <class T>
FASTNN_INLINE void prefetch(const T* p) {
  __builtin_prefetch(p, 0, 3);
}
// The same, into L2 only: for what is needed later than the L1 cache could keep it.
template <class T>
FASTNN_INLINE void prefetch_l2(const T* p) {
  __builtin_prefetch(p, 0, 2);
}

// A broadcast straight from memory where the ISA has it (vector + scalar would add to zero instead).
FASTNN_INLINE Vec<float> splat(float x) {
#if defined(__AVX512F__)
  return (Vec<float>)_mm512_set1_ps(x);
#elif defined(__AVX2__)
  return (Vec<float>)_mm256_set1_ps(x);
#else
  return Vec<float>{x, x, x, x};
#endif
}
FASTNN_INLINE Vec<double> splat(double x) {
#if defined(__AVX512F__)
  return (Vec<double>)_mm512_set1_pd(x);
#elif defined(__AVX2__)
  return (Vec<double>)_mm256_set1_pd(x);
#else
  return Vec<double>{x, x};
#endif
}

// The first n lanes from p, 0 in the rest; and back. 0 <= n <= kLanes<T>.
template <class T>
FASTNN_INLINE Vec<T> load_n(const T* p, int64_t n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << n) - 1), p);
  else
    return (Vec<T>)_mm512_maskz_loadu_epi64(static_cast<__mmask8>((1u << n) - 1), p);
#else
  Vec<T> v{};
  for (int64_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
#endif
}
template <class T>
FASTNN_INLINE void store_n(T* p, Vec<T> v, int64_t n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    _mm512_mask_storeu_epi32(p, static_cast<__mmask16>((1u << n) - 1), (__m512i)v);
  else
    _mm512_mask_storeu_epi64(p, static_cast<__mmask8>((1u << n) - 1), (__m512i)v);
#else
  for (int64_t i = 0; i < n; ++i) p[i] = v[i];
#endif
}

// Past the caches, a write that does not first read the line saves a third of the traffic.
// p must be aligned to the vector.
FASTNN_INLINE void stream(float* p, Vec<float> v) {
#if defined(__AVX512F__)
  __builtin_ia32_movntps512(p, (__v16sf)v);
#elif defined(__AVX2__)
  __builtin_ia32_movntps256(p, (__v8sf)v);
#elif defined(__x86_64__)
  __builtin_ia32_movntps(p, (__v4sf)v);
#else
  store(p, v);
#endif
}
FASTNN_INLINE void stream(double* p, Vec<double> v) {
#if defined(__AVX512F__)
  __builtin_ia32_movntpd512(p, (__v8df)v);
#elif defined(__AVX2__)
  __builtin_ia32_movntpd256(p, (__v4df)v);
#elif defined(__x86_64__)
  __builtin_ia32_movntpd(p, (__v2df)v);
#else
  store(p, v);
#endif
}
// Streamed data become visible to the other threads before the block that wrote them counts as done.
FASTNN_INLINE void stream_fence() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

// ---- arithmetic beyond the operators ----
// With AVX-512 the masked forms: GCC 12 warns of an uninitialised operand inside the plain ones.
FASTNN_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
#if defined(__AVX512F__)
  return (Vec<float>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (Vec<float>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (Vec<float>)__builtin_aarch64_fmav4sf(a, b, c);
#else
  return a * b + c;
#endif
}
FASTNN_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
#if defined(__AVX512F__)
  return (Vec<double>)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__)
  return (Vec<double>)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
  return (Vec<double>)__builtin_aarch64_fmav2df(a, b, c);
#else
  return a * b + c;
#endif
}
FASTNN_INLINE Vec<float> sqrt(Vec<float> a) {
#if defined(__AVX512F__)
  return (Vec<float>)_mm512_maskz_sqrt_ps(0xffff, (__m512)a);
#elif defined(__AVX2__)
  return (Vec<float>)_mm256_sqrt_ps((__m256)a);
#elif defined(__x86_64__)
  return (Vec<float>)_mm_sqrt_ps((__m128)a);
#else
  Vec<float> r{};
  for (int i = 0; i < kLanes<float>; ++i) r[i] = __builtin_sqrtf(a[i]);
  return r;
#endif
}
FASTNN_INLINE Vec<double> sqrt(Vec<double> a) {
#if defined(__AVX512F__)
  return (Vec<double>)_mm512_maskz_sqrt_pd(0xff, (__m512d)a);
#elif defined(__AVX2__)
  return (Vec<double>)_mm256_sqrt_pd((__m256d)a);
#elif defined(__x86_64__)
  return (Vec<double>)_mm_sqrt_pd((__m128d)a);
#else
  Vec<double> r{};
  for (int i = 0; i < kLanes<double>; ++i) r[i] = __builtin_sqrt(a[i]);
  return r;
#endif
}

// Bits as another lane type of the same size.
template <class To, class From>
FASTNN_INLINE Vec<To> bits(Vec<From> v) {
  static_assert(sizeof(To) == sizeof(From));
  return (Vec<To>)v;
}

template <class T>
FASTNN_INLINE Vec<T> to_float(Vec<Int<T>> n) {
  return __builtin_convertvector(n, Vec<T>);
}

// mask ? a : b, the mask from a comparison of the same lane size.
template <class T>
FASTNN_INLINE Vec<T> select(Vec<Int<T>> mask, Vec<T> a, Vec<T> b) {
  return mask ? a : b;
}
// The larger lane; a NaN in either wins.
template <class T>
FASTNN_INLINE Vec<T> max_nan(Vec<T> a, Vec<T> b) {
  return select<T>((a > b) | (a != a), a, b);
}
template <class T>
FASTNN_INLINE Vec<T> abs(Vec<T> a) {
  using I = Int<T>;
  const I keep = static_cast<I>(~(static_cast<uint64_t>(1) << (8 * sizeof(T) - 1)));
  return bits<T, I>(bits<I, T>(a) & keep);
}

// a * 2^n, rounded once; n is within twice the range of T's exponent.
template <class T>
FASTNN_INLINE Vec<T> scale_by_power(Vec<T> a, Vec<Int<T>> n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    return (Vec<T>)_mm512_maskz_scalef_ps(0xffff, (__m512)a, _mm512_maskz_cvtepi32_ps(0xffff, (__m512i)n));
  } else {
    return (Vec<T>)_mm512_maskz_scalef_pd(0xff, (__m512d)a, _mm512_maskz_cvtepi64_pd(0xff, (__m512i)n));
  }
#else
  // Two factors, so that results near both ends of the range are right.
  constexpr int kBias = sizeof(T) == 4 ? 127 : 1023, kMantissa = sizeof(T) == 4 ? 23 : 52;
  const Vec<Int<T>> half = n >> 1;
  return a * bits<T, Int<T>>((half + kBias) << kMantissa) * bits<T, Int<T>>((n - half + kBias) << kMantissa);
#endif
}

// The numbers of the lanes: 0, 1, 2, ...
template <class T>
FASTNN_INLINE Vec<Int<T>> lane_numbers() {
  static constexpr Int<T> numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return load(numbers);
}

// All lanes by f in a fixed order: halves folded onto each other.
template <int... I>
struct Lanes {};
template <int n, int... I>
struct FirstLanes : FirstLanes<n - 1, n - 1, I...> {};
template <int... I>
struct FirstLanes<0, I...> {
  using type = Lanes<I...>;
};
template <int kHalf, class T, int... I>
FASTNN_INLINE Vec<T> swap_halves(Vec<T> v, Lanes<I...>) {
  return __builtin_shufflevector(v, v, (I ^ kHalf)...);
}
template <class T, int kHalf = kLanes<T> / 2, class F>
FASTNN_INLINE T fold_lanes(Vec<T> v, const F& f) {
  if constexpr (kHalf == 0)
    return v[0];
  else
    return fold_lanes<T, kHalf / 2>(f(v, swap_halves<kHalf, T>(v, typename FirstLanes<kLanes<T>>::type{})), f);
}
template <class T>
FASTNN_INLINE T sum_lanes(Vec<T> v) {
  return fold_lanes<T>(v, [](Vec<T> a, Vec<T> b) { return a + b; });
}
template <class T>
FASTNN_INLINE T max_lanes(Vec<T> v) {
  return fold_lanes<T>(v, [](Vec<T> a, Vec<T> b) { return max_nan<T>(a, b); });
}

// ---- bytes as lanes of the size of T ----
template <class T>
FASTNN_INLINE Vec<Int<T>> load_bytes(const uint8_t* p) {
#if defined(__AVX512F__)
  __m128i b;
  if constexpr (sizeof(T) == 4)
    b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  else
    b = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return (Vec<Int<T>>)(sizeof(T) == 4 ? _mm512_maskz_cvtepu8_epi32(0xffff, b) : _mm512_maskz_cvtepu8_epi64(0xff, b));
#elif defined(__x86_64__)
  uint64_t word = 0;
  __builtin_memcpy(&word, p, kLanes<T>);
  const __m128i b = _mm_cvtsi64_si128(static_cast<int64_t>(word));
#if defined(__AVX2__)
  return (Vec<Int<T>>)(sizeof(T) == 4 ? _mm256_cvtepu8_epi32(b) : _mm256_cvtepu8_epi64(b));
#else
  const __m128i zero = _mm_setzero_si128(), wide = _mm_unpacklo_epi16(_mm_unpacklo_epi8(b, zero), zero);
  return (Vec<Int<T>>)(sizeof(T) == 4 ? wide : _mm_unpacklo_epi32(wide, zero));
#endif
#else
  Vec<Int<T>> v{};
  for (int i = 0; i < kLanes<T>; ++i) v[i] = p[i];
  return v;
#endif
}
// Every lane must be in [0, 255].
template <class T>
FASTNN_INLINE void store_bytes(uint8_t* p, Vec<Int<T>> v) {
#if defined(__x86_64__)
#if defined(__AVX512F__)
  const __m128i b =
      sizeof(T) == 4 ? _mm512_maskz_cvtepi32_epi8(0xffff, (__m512i)v) : _mm512_maskz_cvtepi64_epi8(0xff, (__m512i)v);
#else
#if defined(__AVX2__)
  const __m128i low = _mm256_castsi256_si128((__m256i)v), high = _mm256_extracti128_si256((__m256i)v, 1);
#else
  const __m128i low = (__m128i)v, high = low;
#endif
  const __m128i even = _mm_castps_si128(_mm_shuffle_ps(_mm_castsi128_ps(low), _mm_castsi128_ps(high), 0x88));
  const __m128i words = sizeof(T) == 4 ? _mm_packs_epi32(low, high) : _mm_packs_epi32(even, even);
  const __m128i b = _mm_packus_epi16(words, words);
#endif
  __builtin_memcpy(p, &b, kLanes<T>);
#else
  for (int i = 0; i < kLanes<T>; ++i) p[i] = static_cast<uint8_t>(v[i]);
#endif
}

// ---- 32-bit arithmetic in 64-bit lanes, for Philox ----
using Words = Vec<uint64_t>;  // one word in the low half of each lane; the high half is free

// The 64-bit product of the lanes' low halves.
FASTNN_INLINE Words mul_low(Words a, uint32_t b) {
#if defined(__AVX512F__)
  return (Words)_mm512_maskz_mul_epu32(0xff, (__m512i)a, _mm512_set1_epi64(b));
#elif defined(__AVX2__)
  return (Words)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
#elif defined(__x86_64__)
  return (Words)_mm_mul_epu32((__m128i)a, _mm_set1_epi64x(b));
#else
  return (a & 0xffffffffu) * static_cast<uint64_t>(b);
#endif
}
// Within each 128 bits: the low, the high 64-bit lanes of a and b side by side.
FASTNN_INLINE Words pair_low(Words a, Words b) {
#if defined(__AVX512F__)
  return (Words)_mm512_maskz_unpacklo_epi64(0xff, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Words)_mm256_unpacklo_epi64((__m256i)a, (__m256i)b);
#else
  return Words{a[0], b[0]};
#endif
}
FASTNN_INLINE Words pair_high(Words a, Words b) {
#if defined(__AVX512F__)
  return (Words)_mm512_maskz_unpackhi_epi64(0xff, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Words)_mm256_unpackhi_epi64((__m256i)a, (__m256i)b);
#else
  return Words{a[1], b[1]};
#endif
}

}  // namespace fastnn::FASTNN_ISA
#endif  // FASTNN_TARGET_CUDA
