// How blocks and threads share (images, rows, channels) arrays, and the sums over the rows of every channel.
#pragma once

#include "cuda/sums.cuh"
#include "cuda/values.cuh"

namespace fastnn::cuda {

// A block has `columns` threads side by side along the channels, each with its own for good, and `lanes` rows at
// a time; it walks through a chunk of the rows of one image.
struct ChannelGrid {
  int64_t images, rows, channels;
  int width, columns, lanes;  // width: the channels of a thread
  int64_t tiles, per_chunk, chunks;

  ChannelGrid(int64_t images_, int64_t rows_, int64_t channels_, int width_)
      : images(images_), rows(rows_), channels(channels_), width(width_) {
    const int64_t across = channels / width;
    tiles = ceil_div(across, 64);
    columns = static_cast<int>(ceil_div(across, tiles));
    lanes = kThreads / columns;
    // At least 8 rows a thread, so that what is done once a block does not show; at most about 1024 blocks, so
    // that the partial sums stay few.
    const int64_t share = images * tiles, most = share > 0 && share < 1024 ? 1024 / share : 1;
    per_chunk = ceil_div(rows, most);
    per_chunk = ceil_div(per_chunk > 8 * lanes ? per_chunk : 8 * lanes, lanes) * lanes;
    chunks = ceil_div(rows, per_chunk);
  }
  FASTNN_MEMBER int64_t items() const { return images * chunks * tiles; }
  int64_t blocks() const { return items() < (1 << 20) ? items() : 1 << 20; }
  int64_t partials() const { return images * chunks * channels; }
};

// Where a thread works.
struct ChannelPlace {
  int64_t image, chunk, channel, begin, end;  // rows of the image
  int lane;
  bool active;

  __device__ ChannelPlace(const ChannelGrid& g, int64_t item) {
    const int thread = static_cast<int>(threadIdx.x);
    lane = thread / g.columns;
    channel = (item % g.tiles * g.columns + thread % g.columns) * g.width;
    chunk = item / g.tiles % g.chunks;
    image = item / g.tiles / g.chunks;
    begin = chunk * g.per_chunk;
    end = begin + g.per_chunk < g.rows ? begin + g.per_chunk : g.rows;
    active = lane < g.lanes && channel < g.channels;
  }
  __device__ int64_t at(const ChannelGrid& g, int64_t row) const {
    return (image * g.rows + row) * g.channels + channel;
  }
  // Into the partial sums.
  __device__ int64_t partial(const ChannelGrid& g) const { return (image * g.chunks + chunk) * g.channels + channel; }
};

// f.operator()<N>(row) for the thread's rows, in their order: N of them, g.lanes apart, so that N loads can be on
// their way; N is kAtOnce or 1.
template <int kAtOnce, class F>
__device__ __forceinline__ void for_rows(const ChannelGrid& g, const ChannelPlace& p, const F& f) {
  int64_t row = p.begin + p.lane;
  for (; row + (kAtOnce - 1) * g.lanes < p.end; row += kAtOnce * g.lanes) f.template operator()<kAtOnce>(row);
  for (; row < p.end; row += g.lanes) f.template operator()<1>(row);
}

struct alignas(16) Pair {
  double first, second;
};

// The pairs of sums of the block's threads, added up for every channel, as put(k, pair) for the k-th channel of the
// threads of the first lane. In double: float's rounding would show beside the sums of few rows.
template <int V, class T, class Put>
__device__ __forceinline__ void sum_block(const ChannelGrid& g, const ChannelPlace& p, const Values<T, V>& first,
                                          const Values<T, V>& second, const Put& put) {
  __shared__ double sums[2 * V][kThreads];
#pragma unroll
  for (int k = 0; k < V; ++k) {
    sums[2 * k][threadIdx.x] = static_cast<double>(first.at[k]);
    sums[2 * k + 1][threadIdx.x] = static_cast<double>(second.at[k]);
  }
  sum_columns(sums, g.lanes, g.columns);
  if (p.active && p.lane == 0)
#pragma unroll
    for (int k = 0; k < V; ++k) put(k, Pair{sums[2 * k][threadIdx.x], sums[2 * k + 1][threadIdx.x]});
  __syncthreads();  // the next item writes into the sums
}

// The second stage: 4 neighbouring results a block, 64 threads each.
inline constexpr int kFoldColumns = 4, kFoldLanes = kThreads / kFoldColumns;

// Adds up terms(i) for i in [0, count) into the first of the 64 threads.
template <class Terms>
__device__ __forceinline__ Pair fold(int64_t count, const Terms& terms) {
  __shared__ double sums[2][kThreads];
  Pair sum{0, 0};
#pragma unroll 4
  for (int64_t i = threadIdx.x / kFoldColumns; i < count; i += kFoldLanes) {
    const Pair term = terms(i);
    sum.first += term.first;
    sum.second += term.second;
  }
  __syncthreads();  // the last sums have been read
  sums[0][threadIdx.x] = sum.first;
  sums[1][threadIdx.x] = sum.second;
  sum_columns(sums, kFoldLanes, kFoldColumns);
  return {sums[0][threadIdx.x], sums[1][threadIdx.x]};
}

inline int64_t fold_blocks(int64_t results) {
  const int64_t blocks = ceil_div(results, kFoldColumns);
  return blocks < (1 << 20) ? blocks : 1 << 20;
}

}  // namespace fastnn::cuda
