// The random words of one image, and normal numbers, on vectors.
#pragma once

#include "cpu/philox_words.h"
#include "formulas/augment.h"

namespace fastnn::FASTNN_ISA {

class Draws {
 public:
  static constexpr int64_t kStep = kPhiloxStep;  // blocks at a time

  Draws(const PhiloxKeys& keys, uint32_t epoch, uint64_t sample)
      : keys_(keys), epoch_(static_cast<uint64_t>(epoch) << 32), sample_(sample) {}

  // words[0 .. 4 kSteps kStep) of the blocks from this one on.
  template <int kSteps>
  void words(uint64_t block, uint32_t* words) const {
    philox_steps<kSteps>(epoch_ + block, keys_, words, sample_);
  }

 private:
  const PhiloxKeys& keys_;
  uint64_t epoch_, sample_;
};

// n normals for n words, n a multiple of 2 and of the vector: cosine for the first of each two, sine for the other.
template <class T>
FASTNN_INLINE void normals(const uint32_t* words, T* z, int64_t n) {
  constexpr int64_t kW = kLanes<T>;
  constexpr T kStep = static_cast<T>(1.0 / 16777216);
  for (int64_t i = 0; i < n; i += kW) {
    T radius[kW], turn[kW];
    for (int64_t j = 0; j < kW; ++j) {
      radius[j] = static_cast<T>(static_cast<int32_t>(words[(i + j) & ~int64_t{1}] >> 8) + 1) * kStep;
      turn[j] = static_cast<T>(static_cast<int32_t>(words[(i + j) | 1] >> 8)) * kStep -
                ((i + j) & 1 ? static_cast<T>(0.25) : static_cast<T>(0));
    }
    store(z + i, normal_of<T>(load(radius), load(turn)));
  }
}

}  // namespace fastnn::FASTNN_ISA
