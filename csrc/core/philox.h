// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2,
// 3", SC 2011: one definition for host and device.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace fastnn {

struct Philox {
  static constexpr uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
  static constexpr uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
  static constexpr int kRounds = 10;

  // Four words for the 128-bit counter and the 64-bit key.
  FASTNN_HOST_DEVICE static constexpr void block(const uint32_t (&counter)[4], uint32_t key0, uint32_t key1,
                                                 uint32_t (&words)[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < kRounds; ++round) {
      const uint64_t p0 = static_cast<uint64_t>(kMultiplier0) * c0, p1 = static_cast<uint64_t>(kMultiplier1) * c2;
      c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key0;
      c1 = static_cast<uint32_t>(p1);
      c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key1;
      c3 = static_cast<uint32_t>(p0);
      key0 += kWeyl0;
      key1 += kWeyl1;
    }
    words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
  }
};

// The published known answers (Random123, kat_vectors), checked whenever this header is compiled.
namespace philox_check {
constexpr bool gives(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1, uint32_t w0,
                     uint32_t w1, uint32_t w2, uint32_t w3) {
  const uint32_t counter[4] = {c0, c1, c2, c3};
  uint32_t words[4] = {};
  Philox::block(counter, k0, k1, words);
  return words[0] == w0 && words[1] == w1 && words[2] == w2 && words[3] == w3;
}
static_assert(gives(0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
static_assert(gives(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb,
                    0x5001e420, 0x24126ea1));
}  // namespace philox_check

}  // namespace fastnn
