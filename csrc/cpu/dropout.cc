#include "ops/dropout.h"

#include "cpu/elementwise.h"
#include "cpu/philox_words.h"

namespace fastnn::FASTNN_ISA {
namespace {

// The words of kLanes<T> elements as lanes as wide as T.
FASTNN_INLINE Vec<uint32_t> wide_words(const uint32_t* words, float) { return load(words); }
FASTNN_INLINE Vec<uint64_t> wide_words(const uint32_t* words, double) {
  Vec<uint64_t> v{};
  for (int i = 0; i < kLanes<double>; ++i) v[i] = words[i];
  return v;
}

FASTNN_INLINE Vec<uint32_t> wide_threshold(uint64_t threshold, float) {
  return Vec<uint32_t>{} + static_cast<uint32_t>(threshold);
}
FASTNN_INLINE Vec<uint64_t> wide_threshold(uint64_t threshold, double) { return Vec<uint64_t>{} + threshold; }

// Words are made kChunk at a time, from the block of the chunk's first element; up to 3 in front of it are
// not used. Long chunks make few words twice; the shortest, for an offset that is a multiple of 4 as a
// layer's is, makes none, and lets the arithmetic of one chunk run beside the loads of the next.
// Ten rounds are 3 vector operations a 64-bit lane and round: on Zen 4 at best 20 cycles for 16 floats.
inline constexpr int64_t kGroup = 4 * kPhiloxAtOnce * kPhiloxStep;  // words of the steps made side by side

template <int64_t kChunk, class T>
void drop_range(const DropoutArgs<T>& args, const PhiloxKeys& keys, int64_t begin, int64_t end, bool streaming) {
  const DropoutArgs<T> a = args;
  constexpr int64_t kW = kLanes<T>;
  // A vector may read past the last word, never past the buffer.
  alignas(64) uint32_t words[kChunk + kGroup + 16];
  const auto threshold = wide_threshold(a.threshold, T{});
  const Vec<T> scale = splat(a.scale), zero{};
  for (int64_t i = begin; i < end; i += kChunk) {
    const int64_t n = end - i < kChunk ? end - i : kChunk;
    // offset + i may pass 2^64; the block number of that sum is below 2^63.
    const uint64_t low = a.offset + static_cast<uint64_t>(i);
    const uint64_t carry = low < a.offset ? uint64_t{1} << 62 : 0;
    const uint64_t block = low / 4 + carry;
    const int64_t skip = static_cast<int64_t>(low % 4);
    for (int64_t w = 0; w < n + skip; w += kGroup)
      philox_steps<kPhiloxAtOnce>(block + static_cast<uint64_t>(w / 4), keys, words + w);
    int64_t j = 0;
    for (; j + kW <= n; j += kW) {
      const auto dropped = wide_words(words + skip + j, T{}) < threshold;
      const Vec<T> y = dropped ? zero : load(a.x + i + j) * scale;
      if (streaming)
        stream(a.y + i + j, y);
      else
        store(a.y + i + j, y);
    }
    if (j < n) {
      const auto dropped = wide_words(words + skip + j, T{}) < threshold;
      store_n(a.y + i + j, dropped ? zero : load_n(a.x + i + j, n - j) * scale, n - j);
    }
  }
  if (streaming) stream_fence();
}

template <class T>
void drop(const DropoutArgs<T>& a) {
  if (a.threshold > 0xffffffffu) {  // p = 1: every element is dropped
    map<T>(a.n, a.width, a.y, [](Vec<T>) { return Vec<T>{}; }, a.x);
    return;
  }
  const bool streaming = can_stream(a.y, a.n);
  const PhiloxKeys keys(a.seed);
  const int64_t blocks = (a.n + kMapBlock<T> - 1) / kMapBlock<T>;
  // Ten rounds cost about as much as 4 more bytes of traffic an element.
  parallel_blocks(blocks, a.width, a.n * static_cast<int64_t>(2 * sizeof(T) + 4), [&](int64_t block, int) {
    const int64_t begin = block * kMapBlock<T>;
    const int64_t end = begin + kMapBlock<T> < a.n ? begin + kMapBlock<T> : a.n;
    if (a.offset % 4 == 0)
      drop_range<kGroup>(a, keys, begin, end, streaming);
    else
      drop_range<1024>(a, keys, begin, end, streaming);
  });
}

}  // namespace

void dropout_forward(const DropoutArgs<float>& a) { drop(a); }
void dropout_forward(const DropoutArgs<double>& a) { drop(a); }

}  // namespace fastnn::FASTNN_ISA
