// Inverted dropout: y = x * (word >= threshold) * scale, the words of Philox counted by element. Alpha dropout
// adds a shift, and what is dropped becomes a value that keeps mean and variance.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

template <class T>
struct DropoutArgs {
  int64_t n;
  const T* x;
  T* y;
  uint64_t threshold;  // floor(p * 2^32): up to 2^32
  Compute<T> scale;    // 1 / (1 - p)
  uint64_t seed, offset;
  int width;
  bool affine = false;  // y = word < threshold ? dropped : x * scale + shift
  Compute<T> shift = 0, dropped = 0;
};
FASTNN_KERNEL(void, dropout_forward, DropoutArgs)

// The same with one word for a channel of an image: x (images, rows, channels), words counted n * channels + c.
template <class T>
struct ChannelDropoutArgs {
  int64_t images, rows, channels;
  const T* x;
  T* y;
  uint64_t threshold;
  Compute<T> scale;
  uint64_t seed, offset;
  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, channel_dropout_workspace, ChannelDropoutArgs)
FASTNN_KERNEL(void, channel_dropout_forward, ChannelDropoutArgs)

}  // namespace fastnn
