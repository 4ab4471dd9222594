// Vectors along the channels of pixels that lie one after another, for any number of channels.
//
// A pixel's last vector may reach into the pixels behind it. Reading there does no harm; writing does
// none as long as pixels are written in ascending order, each over what spilled from the one before.
// Only a vector that reaches beyond `end`, where the array or the block ends, is cut to its n lanes.
#pragma once

#include "cpu/elementwise.h"

namespace fastnn::FASTNN_ISA {

template <class T>
FASTNN_INLINE Vec<T> load_lanes(const T* p, int64_t n, const T* end) {
  return end - p >= kLanes<T> ? load(p) : load_n(p, n);
}
template <class T>
FASTNN_INLINE void store_lanes(T* p, Vec<T> v, int64_t n, [[maybe_unused]] const T* end) {
#if defined(__AVX512F__)  // masked stores cost less here than lines written twice
  if (n == kLanes<T>) store(p, v);
#else
  if (end - p >= kLanes<T>) store(p, v);
#endif
  else
    store_n(p, v, n);
}

// Calls body.operator()<NV>(channel, lanes) for groups of NV vectors: the last one first if it is cut,
// so that what it spills is written over even where the body writes several pixels; then four whole
// ones at a time, which share the loop over a window.
template <class T, class Body>
FASTNN_INLINE void for_channels(int64_t channels, const Body& body) {
  constexpr int64_t kW = kLanes<T>;
  const int64_t whole = channels / kW * kW;
  if (whole < channels) body.template operator()<1>(whole, channels - whole);
  int64_t c = 0;
  for (; c + 4 * kW <= whole; c += 4 * kW) body.template operator()<4>(c, kW);
  for (; c < whole; c += kW) body.template operator()<1>(c, kW);
}

// Pixels can be streamed if each of their vectors is whole and aligned.
template <class T>
FASTNN_INLINE bool can_stream_pixels(const T* p, int64_t pixels, int64_t channels) {
  return channels % kLanes<T> == 0 && can_stream(p, pixels * channels);
}

}  // namespace fastnn::FASTNN_ISA
