#include "ops/dropout.h"

#include "cpu/channel_rows.h"
#include "cpu/elementwise.h"
#include "cpu/philox_words.h"
#include "cpu/tile.h"

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

template <int64_t kChunk, bool kAffine, class T>
void drop_range(const DropoutArgs<T>& args, const PhiloxKeys& keys, int64_t begin, int64_t end, bool streaming) {
  const DropoutArgs<T> a = args;
  constexpr int64_t kW = kLanes<T>;
  // A vector may read past the last word, never past the buffer.
  alignas(64) uint32_t words[kChunk + kGroup + 16];
  const auto threshold = wide_threshold(a.threshold, T{});
  const Vec<T> scale = splat(a.scale), shift = splat(a.shift), instead = kAffine ? splat(a.dropped) : Vec<T>{};
  const auto keep = [&](Vec<T> x) { return kAffine ? x * scale + shift : x * scale; };
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
      const Vec<T> y = dropped ? instead : keep(load(a.x + i + j));
      if (streaming)
        stream(a.y + i + j, y);
      else
        store(a.y + i + j, y);
    }
    if (j < n) {
      const auto dropped = wide_words(words + skip + j, T{}) < threshold;
      store_n(a.y + i + j, dropped ? instead : keep(load_n(a.x + i + j, n - j)), n - j);
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
    if (a.affine)
      drop_range<1024, true>(a, keys, begin, end, streaming);
    else if (a.offset % 4 == 0)
      drop_range<kGroup, false>(a, keys, begin, end, streaming);
    else
      drop_range<1024, false>(a, keys, begin, end, streaming);
  });
}

template <class T>
int64_t channel_bytes(const ChannelDropoutArgs<T>& a) {
  const ChannelRows<T> rows(a.rows, a.channels);
  return (a.images * a.channels + a.width * rows.row_size()) * static_cast<int64_t>(sizeof(T));
}

// The factors, 0 or scale, of every channel of every image come first: dropout of ones.
template <class T>
void drop_channels(const ChannelDropoutArgs<T>& a) {
  const ChannelRows<T> rows(a.rows, a.channels);
  const int64_t size = a.rows * a.channels;
  T *factors = static_cast<T*>(a.workspace), *lines = factors + a.images * a.channels;
  for (int64_t i = 0; i < a.images * a.channels; ++i) factors[i] = 1;
  DropoutArgs<T> ones{};
  ones.n = a.images * a.channels, ones.x = factors, ones.y = factors, ones.threshold = a.threshold;
  ones.scale = a.scale, ones.seed = a.seed, ones.offset = a.offset, ones.width = a.width;
  drop(ones);

  const bool streaming = can_stream(a.y, a.images * size) && rows.length % kLanes<T> == 0 && size % kLanes<T> == 0;
  const int64_t units = a.images * rows.blocks, bytes = 2 * a.images * size * static_cast<int64_t>(sizeof(T));
  const Pieces pieces(units, 65536 / (bytes / units + 1) + 1);
  parallel_blocks(pieces.count, a.width, bytes, [&](int64_t piece, int worker) {
    T* line = lines + worker * rows.row_size();
    for (int64_t u = pieces.begin(piece); u < pieces.begin(piece + 1); ++u) {
      const int64_t image = u / rows.blocks;
      const T *own = factors + image * a.channels, *x = a.x + image * size;
      T* y = a.y + image * size;
      for (int64_t c = 0; c < a.channels; ++c) line[c] = own[c];
      for (int64_t i = a.channels; i < rows.length; ++i) line[i] = line[i - a.channels];
      const bool nothing = a.channels == 1 && own[0] == 0;  // then x is not even read
      rows.template sweep_block<1>(u % rows.blocks, [&]<int, bool kWhole>(int64_t at, int64_t lane, int64_t n) {
        Vec<T> v{};
        if (!nothing) {
          const Vec<T> factor = load_some<kWhole>(line + lane, n);
          v = select<T>(factor == 0, v, load_some<kWhole>(x + at, n) * factor);
        }
        put_some<kWhole>(y + at, v, n, streaming);
      });
    }
    if (streaming) stream_fence();
  });
}

}  // namespace

void dropout_forward(const DropoutArgs<float>& a) { drop(a); }
void dropout_forward(const DropoutArgs<double>& a) { drop(a); }
int64_t channel_dropout_workspace(const ChannelDropoutArgs<float>& a) { return channel_bytes(a); }
int64_t channel_dropout_workspace(const ChannelDropoutArgs<double>& a) { return channel_bytes(a); }
void channel_dropout_forward(const ChannelDropoutArgs<float>& a) { drop_channels(a); }
void channel_dropout_forward(const ChannelDropoutArgs<double>& a) { drop_channels(a); }

}  // namespace fastnn::FASTNN_ISA
