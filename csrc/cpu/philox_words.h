// Philox4x32-10 on vectors: one counter block a 64-bit lane, its four words in four registers. Two
// multiplications, two shifts and two three-way xors make a round; 2 * kLanes<double> words come out of
// each register pair in the order in which the counters run.
#pragma once

#include "core/philox.h"
#include "core/vec.h"

namespace fastnn::FASTNN_ISA {

inline constexpr int64_t kPhiloxStep = kLanes<uint64_t>;  // blocks made at once

// words[0 .. 4 kPhiloxStep) = the words of counter blocks first, first + 1, ...
FASTNN_INLINE void philox_step(uint64_t first, uint64_t key, uint32_t* words) {
  // Pairing within 128 bits below puts even lanes first, then odd ones; so lane 2q holds block q and lane
  // 2q + 1 block kPhiloxStep / 2 + q.
  constexpr int kHalf = kPhiloxStep > 1 ? kPhiloxStep / 2 : 1;
  Words counter;
  for (int lane = 0; lane < kPhiloxStep; ++lane) counter[lane] = static_cast<uint64_t>((lane & 1) * kHalf + lane / 2);
  counter += first;
  Words c0 = counter, c1 = counter >> 32, c2{}, c3{};
  uint32_t key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < Philox::kRounds; ++round) {
    const Words p0 = mul_low(c0, Philox::kMultiplier0), p1 = mul_low(c2, Philox::kMultiplier1);
    c0 = (p1 >> 32) ^ c1 ^ static_cast<uint64_t>(key0);
    c1 = p1;
    c2 = (p0 >> 32) ^ c3 ^ static_cast<uint64_t>(key1);
    c3 = p0;
    key0 += Philox::kWeyl0;
    key1 += Philox::kWeyl1;
  }
  constexpr uint64_t kLow = 0xffffffffu;
  const Words w01 = (c0 & kLow) | (c1 << 32), w23 = (c2 & kLow) | (c3 << 32);
  store(reinterpret_cast<uint64_t*>(words), pair_low(w01, w23));
  store(reinterpret_cast<uint64_t*>(words) + kPhiloxStep, pair_high(w01, w23));
}

}  // namespace fastnn::FASTNN_ISA
