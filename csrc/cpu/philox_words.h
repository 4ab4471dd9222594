// Philox4x32-10 on vectors: one counter block a 64-bit lane, its four words in four registers. Two
// multiplications, two shifts and two three-way xors make a round; 2 * kLanes<double> words come out of
// each register pair in the order in which the counters run.
#pragma once

#include "core/philox.h"
#include "core/vec.h"

namespace fastnn::FASTNN_ISA {

inline constexpr int64_t kPhiloxStep = kLanes<uint64_t>;  // blocks in a vector
// Vectors side by side hide each other's latency, as many as the registers hold: four need 24.
inline constexpr int kPhiloxAtOnce = kVectorBytes == 64 ? 4 : 2;

// The rounds' keys in every lane: made once, then read from L1.
struct PhiloxKeys {
  Words first[Philox::kRounds], second[Philox::kRounds];

  explicit PhiloxKeys(uint64_t seed) {
    uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < Philox::kRounds; ++round) {
      first[round] = Words{} + static_cast<uint64_t>(key0);
      second[round] = Words{} + static_cast<uint64_t>(key1);
      key0 += Philox::kWeyl0;
      key1 += Philox::kWeyl1;
    }
  }
};

// words[0 .. 4 kSteps kPhiloxStep) = the words of counter blocks first, first + 1, ...; high is the upper half
// of the counter.
template <int kSteps>
FASTNN_INLINE void philox_steps(uint64_t first, const PhiloxKeys& keys, uint32_t* words, uint64_t high = 0) {
  // Pairing within 128 bits below puts even lanes first, then odd ones; so lane 2q holds block q and lane
  // 2q + 1 block kPhiloxStep / 2 + q.
  constexpr int kHalf = kPhiloxStep > 1 ? kPhiloxStep / 2 : 1;
  Words counter{};
  for (int lane = 0; lane < kPhiloxStep; ++lane) counter[lane] = static_cast<uint64_t>((lane & 1) * kHalf + lane / 2);
  Words c0[kSteps], c1[kSteps], c2[kSteps], c3[kSteps];
#pragma GCC unroll 4
  for (int s = 0; s < kSteps; ++s) {
    c0[s] = counter + (first + static_cast<uint64_t>(s * kPhiloxStep));
    c1[s] = c0[s] >> 32;
    c2[s] = Words{} + high;
    c3[s] = Words{} + (high >> 32);
  }
#pragma GCC unroll 10
  for (int round = 0; round < Philox::kRounds; ++round) {
#pragma GCC unroll 4
    for (int s = 0; s < kSteps; ++s) {
      const Words p0 = mul_low(c0[s], Philox::kMultiplier0), p1 = mul_low(c2[s], Philox::kMultiplier1);
      c0[s] = (p1 >> 32) ^ c1[s] ^ keys.first[round];
      c1[s] = p1;
      c2[s] = (p0 >> 32) ^ c3[s] ^ keys.second[round];
      c3[s] = p0;
    }
  }
  constexpr uint64_t kLow = 0xffffffffu;
#pragma GCC unroll 4
  for (int s = 0; s < kSteps; ++s) {
    const Words w01 = (c0[s] & kLow) | (c1[s] << 32), w23 = (c2[s] & kLow) | (c3[s] << 32);
    store(words, (Vec<uint32_t>)pair_low(w01, w23));
    store(words + kLanes<uint32_t>, (Vec<uint32_t>)pair_high(w01, w23));
    words += 4 * kPhiloxStep;
  }
}

}  // namespace fastnn::FASTNN_ISA
