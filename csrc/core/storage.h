// The types of an array's elements. float16 and bfloat16 are for storage alone, on devices: kernels load them into
// float, compute there and round once, to the nearest even.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace fastnn {

enum class Element : int { f16, bf16, f32, f64 };

namespace storage {

FASTNN_HOST_DEVICE float from_float16(uint16_t half) {
#if defined(__CUDA_ARCH__)
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
  return value;
#else
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16, rest = static_cast<uint32_t>(half & 0x7fff) << 13;
  if (rest >= 0x0f800000) return __builtin_bit_cast(float, sign | 0x70000000 | rest);  // infinity, NaN
  return __builtin_bit_cast(float, sign | __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, rest) * 0x1p112f));
#endif
}

FASTNN_HOST_DEVICE uint16_t to_float16(float value) {
#if defined(__CUDA_ARCH__)
  uint16_t half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
  return half;
#else
  const uint32_t all = __builtin_bit_cast(uint32_t, value), size = all & 0x7fffffff;
  uint32_t half;
  if (size > 0x7f800000)
    half = 0x7e00;  // NaN
  else if (size >= 0x477ff000)
    half = 0x7c00;  // 65520 and more
  else if (size < 0x38800000)
    half = __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, size) + 0.5f) -
           0x3f000000;  // denormal: an ulp of 0.5f is one of these
  else
    half = (size + 0xfff + (size >> 13 & 1) - 0x38000000) >> 13;
  return static_cast<uint16_t>(half | (all >> 16 & 0x8000));
#endif
}

FASTNN_HOST_DEVICE float from_bfloat16(uint16_t half) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(half) << 16);
}

FASTNN_HOST_DEVICE uint16_t to_bfloat16(float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  uint16_t half;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(half) : "f"(value));
  return half;
#else
  const uint32_t all = __builtin_bit_cast(uint32_t, value);
  if ((all & 0x7fffffff) > 0x7f800000) return 0x7fff;  // NaN
  return static_cast<uint16_t>((all + 0x7fff + (all >> 16 & 1)) >> 16);
#endif
}

}  // namespace storage

// Rounding is never implicit.
struct Float16 {
  uint16_t bits;
  Float16() = default;
  FASTNN_HOST_DEVICE explicit Float16(float value) : bits(storage::to_float16(value)) {}
  FASTNN_HOST_DEVICE operator float() const { return storage::from_float16(bits); }
};

struct Bfloat16 {
  uint16_t bits;
  Bfloat16() = default;
  FASTNN_HOST_DEVICE explicit Bfloat16(float value) : bits(storage::to_bfloat16(value)) {}
  FASTNN_HOST_DEVICE operator float() const { return storage::from_bfloat16(bits); }
};

template <class T>
struct ElementOf {
  static constexpr Element element = sizeof(T) == 4 ? Element::f32 : Element::f64;
  using Compute = T;
};
template <>
struct ElementOf<Float16> {
  static constexpr Element element = Element::f16;
  using Compute = float;
};
template <>
struct ElementOf<Bfloat16> {
  static constexpr Element element = Element::bf16;
  using Compute = float;
};

template <class T>
inline constexpr Element kElement = ElementOf<T>::element;
template <class T>
inline constexpr bool kHalf = kElement<T> < Element::f32;

// What is computed with T: also the type of parameters, statistics and losses beside arrays of T.
template <class T>
using Compute = typename ElementOf<T>::Compute;

}  // namespace fastnn
