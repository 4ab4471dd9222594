// Brightness, contrast, saturation, PCA colour and noise on the values (pixels, c) of one image, in place.
#pragma once

#include "core/vec_shuffle.h"
#include "cpu/augment_draws.h"
#include "cpu/augment_pixels.h"

namespace fastnn::FASTNN_ISA {

// f(v, n) for the planes of every vector of pixels, n of them valid and the rest 0; writes v back if kWrite.
template <int kPlanes, bool kWrite, class T, class F>
FASTNN_INLINE void for_pixels(T* y, int64_t pixels, const F& f) {
  constexpr int64_t kW = kLanes<T>;
  for (int64_t i = 0; i < pixels; i += kW) {
    const int64_t n = pixels - i < kW ? pixels - i : kW;
    T few[kPlanes * kW] = {};
    T* at = y + i * kPlanes;
    if (n < kW) {
      for (int64_t j = 0; j < n * kPlanes; ++j) few[j] = at[j];
      at = few;
    }
    Vec<T> v[kPlanes];
    for (int p = 0; p < kPlanes; ++p) v[p] = load(at + p * kW);
    if constexpr (kPlanes == 3) split_triples<T>(v);
    f(v);
    if constexpr (kWrite) {
      if constexpr (kPlanes == 3) join_triples<T>(v);
      for (int p = 0; p < kPlanes; ++p) store(at + p * kW, v[p]);
      if (n < kW)
        for (int64_t j = 0; j < n * kPlanes; ++j) y[i * kPlanes + j] = few[j];
    }
  }
}

// The mean of gray after brightness: contrast moves towards it.
template <int kPlanes, class T>
T mean_gray(const AugmentArgs<T>& a, T brightness, int64_t pixels, T* y) {
  Vec<T> sum{};
  const bool brighten = a.brighten;
  for_pixels<kPlanes, false>(y, pixels, [&](Vec<T>* v) {
    if (brighten)
      for (int p = 0; p < kPlanes; ++p) v[p] = blend<T>(v[p], brightness, Vec<T>{});
    sum += gray_of<kPlanes, T>(v);
  });
  return sum_lanes<T>(sum) / static_cast<T>(pixels);
}

template <int kPlanes, class T>
void jitter(const AugmentArgs<T>& a, const Plan& plan, const T* offset, int64_t pixels, T* y) {
  const T brightness = static_cast<T>(plan.brightness), contrast = static_cast<T>(plan.contrast);
  const T saturation = static_cast<T>(plan.saturation);
  const bool brighten = a.brighten, contrasting = a.contrasting, saturate = a.saturate, shift = a.has_pca;
  const T gray = contrasting ? mean_gray<kPlanes>(a, brightness, pixels, y) : T{0};
  const Vec<T> toward = splat(gray * static_cast<T>(1 - plan.contrast));
  const T rest = static_cast<T>(1 - plan.saturation);
  for_pixels<kPlanes, true>(y, pixels, [&](Vec<T>* v) {
    if (brighten)
      for (int p = 0; p < kPlanes; ++p) v[p] = blend<T>(v[p], brightness, Vec<T>{});
    if (contrasting)
      for (int p = 0; p < kPlanes; ++p) v[p] = blend<T>(v[p], contrast, toward);
    if (saturate) {
      const Vec<T> own = gray_of<kPlanes, T>(v) * rest;
      for (int p = 0; p < kPlanes; ++p) v[p] = blend<T>(v[p], saturation, own);
    }
    if (shift)
      for (int p = 0; p < kPlanes; ++p) v[p] += offset[p];
  });
}

template <class T>
void add_noise(const Draws& draws, T sigma, int64_t n, T* y) {
  constexpr int64_t kW = kLanes<T>, kChunk = 4 * kPhiloxAtOnce * kPhiloxStep;
  uint32_t words[kChunk];
  T z[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    draws.words<kPhiloxAtOnce>(kNoiseBlock + static_cast<uint64_t>(i / 4), words);
    normals<T>(words, z, kChunk);
    for (int64_t j = 0; j < kChunk && i + j < n; j += kW) {
      const int64_t lanes = n - i - j < kW ? n - i - j : kW;
      const Vec<T> noisy = fma(load(z + j), splat(sigma), load_up_to(y + i + j, lanes));
      store_up_to(y + i + j, clip01<T>(noisy), lanes);
    }
  }
}

template <class T>
void colour(const AugmentArgs<T>& a, const Plan& plan, const Draws& draws, T* y) {
  const int64_t pixels = a.oh * a.ow;
  T offset[3] = {};
  if (a.has_pca) {
    constexpr int64_t kN = kLanes<double> > 4 ? kLanes<double> : 4;
    uint32_t few[kN] = {plan.colour[0], plan.colour[1], plan.colour[2], plan.colour[3]};
    double z[kN];
    normals<double>(few, z, kN);
    for (int p = 0; p < 3; ++p)
      offset[p] = static_cast<T>(a.pca[p][0] * z[0] + a.pca[p][1] * z[1] + a.pca[p][2] * z[2]);
  }
  if (a.brighten || a.contrasting || a.saturate || a.has_pca) {
    if (a.c == 3)
      jitter<3>(a, plan, offset, pixels, y);
    else
      jitter<1>(a, plan, offset, pixels * a.c, y);
  }
  if (a.noise > 0) add_noise<T>(draws, static_cast<T>(a.noise), pixels * a.c, y);
}

}  // namespace fastnn::FASTNN_ISA
