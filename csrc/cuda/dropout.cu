#include "core/philox.h"
#include "cuda/digits.cuh"
#include "cuda/step_inputs.h"
#include "cuda/values.cuh"
#include "ops/dropout.h"

namespace fastnn::cuda {
namespace {

// A thread makes a block of four words, and with it the four neighbours that they decide on: quad q holds the
// elements 4 q - skip ... 4 q - skip + 3, skip being the words of the first block that lie before element 0.
struct Quads {
  int64_t count, skip;
  uint64_t block, seed;  // of quad 0

  __device__ Quads(int64_t n, const StreamPosition& draw)
      : count((n + static_cast<int64_t>(draw.offset % 4) + 3) / 4),
        skip(static_cast<int64_t>(draw.offset % 4)),
        block(draw.offset / 4),  // plus the quad's number it is below 2^63, also where offset + i passes 2^64
        seed(draw.seed) {}

  __device__ void words(int64_t quad, uint32_t (&out)[4]) const {
    const uint64_t number = block + static_cast<uint64_t>(quad);
    const uint32_t counter[4] = {static_cast<uint32_t>(number), static_cast<uint32_t>(number >> 32), 0, 0};
    Philox::block(counter, static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), out);
  }
};

// For the quads of n elements, wherever in a quad they begin.
int64_t blocks_for(int64_t n) {
  const int64_t all = ceil_div(n + 3, 4 * kThreads), most = resident_blocks() * 4;
  return all < most ? all : most;
}

// Where nothing is dropped, nothing is drawn, and a captured step need not know.
StepNumbers<StreamPosition> drawn(uint64_t seed, uint64_t offset, uint64_t threshold) {
  return threshold > 0 ? StepNumbers<StreamPosition>(nullptr, {seed, offset})
                       : StepNumbers<StreamPosition>({seed, offset});
}

template <class T>
__global__ void dropout_kernel(StepNumbers<StreamPosition> draw, bool aligned, DropoutArgs<T> a) {
  using Four = Values < T, kPack<T><4 ? kPack<T> : 4>;  // or two
  constexpr int kWidth = sizeof(Four) / sizeof(T), kPacks = 4 / kWidth;
  const Quads quads(a.n, draw.get());
  aligned = aligned && quads.skip == 0;
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t q = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; q < quads.count; q += step) {
    const int64_t first = 4 * q - quads.skip;
    const bool whole = aligned && first + 4 <= a.n;
    Four v[kPacks];
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      if (whole) {
        v[p] = reinterpret_cast<const Four*>(a.x + first)[p];
      } else {
#pragma unroll
        for (int k = 0; k < kWidth; ++k) {
          const int64_t i = first + p * kWidth + k;
          v[p].at[k] = i >= 0 && i < a.n ? a.x[i] : T{0};
        }
      }
    }
    uint32_t words[4];
    quads.words(q, words);
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        const Compute<T> scaled = v[p].at[k] * a.scale, kept = a.affine ? scaled + a.shift : scaled;
        v[p].at[k] = static_cast<T>(words[p * kWidth + k] < a.threshold ? a.dropped : kept);
      }
      if (whole) {
        reinterpret_cast<Four*>(a.y + first)[p] = v[p];
      } else {
#pragma unroll
        for (int k = 0; k < kWidth; ++k) {
          const int64_t i = first + p * kWidth + k;
          if (i >= 0 && i < a.n) a.y[i] = v[p].at[k];
        }
      }
    }
  }
}

template <class T>
void drop(const DropoutArgs<T>& a) {
  if (a.n == 0) return;
  const uintptr_t addresses = reinterpret_cast<uintptr_t>(a.x) | reinterpret_cast<uintptr_t>(a.y);
  const auto draw = drawn(a.seed, a.offset, a.threshold);
  FASTNN_LAUNCH(dropout_kernel<T>, blocks_for(a.n), kThreads, 0, draw, addresses % 16 == 0, a);
}

// The factors, 0 or scale, of every channel of every image.
template <class T>
__global__ void factors_kernel(StepNumbers<StreamPosition> draw, int64_t n, uint64_t threshold, T scale, T* factors) {
  const Quads quads(n, draw.get());
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t q = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; q < quads.count; q += step) {
    uint32_t words[4];
    quads.words(q, words);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const int64_t i = 4 * q - quads.skip + k;
      if (i >= 0 && i < n) factors[i] = words[k] < threshold ? T{0} : scale;
    }
  }
}

template <class T>
struct ScaleChannel {
  int64_t channels;
  const T* factors;
  __device__ T operator()(const Digits& at, T x) const {
    const T factor = factors[at.high * channels + at.low];
    return factor == 0 ? T{0} : x * factor;
  }
};

template <class T>
int64_t channel_bytes(const ChannelDropoutArgs<T>& a) {
  return a.images * a.channels * static_cast<int64_t>(sizeof(Compute<T>));
}

template <class T>
void drop_channels(const ChannelDropoutArgs<T>& a) {
  using C = Compute<T>;
  const int64_t channels = a.images * a.channels;
  C* factors = static_cast<C*>(a.workspace);
  const auto draw = drawn(a.seed, a.offset, a.threshold);
  FASTNN_LAUNCH(factors_kernel<C>, blocks_for(channels), kThreads, 0, draw, channels, a.threshold, a.scale, factors);
  map_digits(channels * a.rows, Sizes{a.rows, a.channels}, a.y, ScaleChannel<C>{a.channels, factors}, a.x);
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(void, dropout_forward, DropoutArgs, drop)
FASTNN_CUDA_STORAGE_KERNEL(int64_t, channel_dropout_workspace, ChannelDropoutArgs, channel_bytes)
FASTNN_CUDA_STORAGE_KERNEL(void, channel_dropout_forward, ChannelDropoutArgs, drop_channels)

}  // namespace fastnn::cuda
