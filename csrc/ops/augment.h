// Augmentation of uint8 images: gather, crop, flip, colour, noise, normalisation and erasing in one pass.
#pragma once

#include <cstdint>

#include "core/isa.h"

namespace fastnn {

enum class AugmentCrop { random, center, resized, whole };
enum class AugmentPadding { constant, edge, reflect, symmetric };

struct AugmentRange {
  double least, most;
};

template <class T>
struct AugmentArgs {
  const uint8_t* x;
  int64_t images, h, w, c, stride_n, stride_c, stride_h, stride_w;  // of the source; strides in bytes
  int64_t n;
  // On a device either may be null, for 0, 1, ... and for the index, and is checked by the kernel.
  const int64_t* index;    // (n) image of the source
  const uint64_t* sample;  // (n) number under which it draws
  uint64_t seed;
  uint32_t epoch;
  int64_t oh, ow;
  T* y;  // (n, oh, ow, c)

  AugmentCrop crop;
  AugmentPadding padding;
  int64_t pad_h, pad_w;
  uint8_t fill;
  AugmentRange scale, log_ratio, ratio;
  uint64_t flip_h, flip_v;  // thresholds of a random word: up to 2^32

  bool brighten, contrasting, saturate;
  AugmentRange brightness, contrast, saturation;
  bool has_pca;
  double pca[3][3];
  double noise;

  double max_value;
  const double *mean, *std;  // (c)

  int64_t cutout;
  uint64_t erase;
  AugmentRange erase_scale, erase_log_ratio;
  double erase_value;

  void* workspace;
  int width;
};
FASTNN_KERNEL(int64_t, augment_workspace, AugmentArgs)
FASTNN_KERNEL(void, augment, AugmentArgs)

}  // namespace fastnn
