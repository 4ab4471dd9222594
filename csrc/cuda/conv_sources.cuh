// The matrices of a convolution as sources of elements. On either axis target pixel `i` and tap `t` meet at the source
// pixel i * step + t * tap_step + offset.
#pragma once

#include "cuda/launch.h"

namespace fastnn::cuda {

// One axis of it. The taps are every kernel_step-th of the kernel's from kernel_first on, the targets every
// target_step-th of their image's pixels from target_first on.
struct Walk {
  int targets, step, offset, taps, tap_step;
  int kernel_first, kernel_step, target_first, target_step;
};

// An index along k that counts (tap y, tap x, channel), or (image, y, x): the last fastest.
struct Triple {
  int64_t outer;
  int y, x;
};
__device__ __forceinline__ Triple triple_at(int64_t index, int ys, int xs) {
  if (index >> 32 == 0) {  // a fifth of the instructions
    const uint32_t i = static_cast<uint32_t>(index), line = i / static_cast<uint32_t>(xs);
    const uint32_t outer = line / static_cast<uint32_t>(ys);
    return {outer, static_cast<int>(line - outer * static_cast<uint32_t>(ys)),
            static_cast<int>(i - line * static_cast<uint32_t>(xs))};
  }
  const int64_t line = index / xs;
  return {line / ys, static_cast<int>(line % ys), static_cast<int>(index % xs)};
}

struct TapCursor {
  int y, x, channel;
};
struct TapOrder {
  int taps_x, channels;
  __device__ TapCursor start(int64_t k) const {
    if (channels == 0 || taps_x == 0) return {};  // no taps: nothing is read
    const Triple t = triple_at(k, taps_x, channels);
    return {static_cast<int>(t.outer), t.y, t.x};
  }
  __device__ void advance(TapCursor& at, int steps) const {
    if (steps == 0 || channels == 0 || taps_x == 0) return;
    at.channel += steps;
    while (at.channel >= channels) {
      at.channel -= channels;
      if (++at.x == taps_x) {
        at.x = 0;
        ++at.y;
      }
    }
  }
};

// Rows are target pixels, k counts (tap y, tap x, channel): the windows of a convolution.
template <class T>
struct Windows {
  using Element = T;
  struct Row {
    int64_t image;
    int y, x;
  };
  using Cursor = TapCursor;
  const T* data;  // the group's first channel
  int64_t pixel_stride;
  int high, wide;
  Walk down, across;
  TapOrder order;

  __device__ static constexpr bool along_k() { return true; }
  __device__ Row row(int64_t target) const {
    const Triple t = triple_at(target, down.targets, across.targets);
    return {t.outer * high * wide, t.y * down.step + down.offset, t.x * across.step + across.offset};
  }
  __device__ Cursor start(int64_t k) const { return order.start(k); }
  __device__ void advance(Cursor& cursor, int steps) const { order.advance(cursor, steps); }
  __device__ T at(const Row& row, const Cursor& cursor) const {
    const int y = row.y + cursor.y * down.tap_step, x = row.x + cursor.x * across.tap_step;
    if (y < 0 || y >= high || x < 0 || x >= wide) return 0;
    return data[(row.image + static_cast<int64_t>(y) * wide + x) * pixel_stride + cursor.channel];
  }
};

// Columns are the target's channels, k counts (tap y, tap x, channel of the source).
template <class T>
struct Weights {
  using Element = T;
  using Row = int64_t;
  using Cursor = TapCursor;
  const T* data;  // the first tap of the group's first channels
  int64_t target_stride, source_stride, y_stride, x_stride;
  TapOrder order;

  __device__ bool along_k() const { return source_stride == 1; }
  __device__ Row row(int64_t channel) const { return channel * target_stride; }
  __device__ Cursor start(int64_t k) const { return order.start(k); }
  __device__ void advance(Cursor& cursor, int steps) const { order.advance(cursor, steps); }
  __device__ T at(const Row& row, const Cursor& cursor) const {
    return data[row + cursor.channel * source_stride + cursor.y * y_stride + cursor.x * x_stride];
  }
};

// The windows on their side: rows are (tap y, tap x, channel), k counts the output's pixels.
template <class T>
struct WindowColumns {
  using Element = T;
  struct Row {
    int channel, y, x;
  };
  struct Cursor {
    int64_t image;  // its first pixel
    int y, x;
  };
  const T* data;
  int64_t pixel_stride;
  int high, wide;
  Walk down, across;
  TapOrder order;

  __device__ static constexpr bool along_k() { return false; }
  __device__ Row row(int64_t index) const {
    const TapCursor tap = order.start(index);
    return {tap.channel, tap.y * down.tap_step + down.offset, tap.x * across.tap_step + across.offset};
  }
  __device__ Cursor start(int64_t k) const {
    const Triple t = triple_at(k, down.targets, across.targets);
    return {t.outer * high * wide, t.y, t.x};
  }
  __device__ void advance(Cursor& at, int steps) const {
    if (steps == 0) return;
    at.x += steps;
    while (at.x >= across.targets) {
      at.x -= across.targets;
      if (++at.y == down.targets) {
        at.y = 0;
        at.image += static_cast<int64_t>(high) * wide;
      }
    }
  }
  __device__ T at(const Row& row, const Cursor& cursor) const {
    const int y = row.y + cursor.y * down.step, x = row.x + cursor.x * across.step;
    if (y < 0 || y >= high || x < 0 || x >= wide) return 0;
    return data[(cursor.image + static_cast<int64_t>(y) * wide + x) * pixel_stride + row.channel];
  }
};

}  // namespace fastnn::cuda
