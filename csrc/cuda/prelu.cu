#include "cuda/digits.cuh"
#include "formulas/prelu.h"
#include "ops/prelu.h"

namespace fastnn::cuda {
namespace {

template <class T>
struct Forward {
  const T* weight;
  __device__ T operator()(const Digits& at, T x) const { return prelu<T>(x, weight[at.middle]); }
};

// Sums over the rows of (rows, channels): the threads of a block stand side by side over `across` channels and,
// where those are few, over `down` rows; a block has a chunk of the rows of a tile of the channels.
struct Columns {
  static constexpr int64_t kRows = 32, kMostBlocks = 2048;  // of a thread, at least; in all

  int64_t rows, channels, tiles, chunks, chunk_rows;
  int across, down;

  Columns(int64_t rows_, int64_t channels_, int most_across, bool in_chunks)
      : rows(rows_), channels(channels_), tiles(ceil_div(channels, most_across)), chunks(1) {
    across = static_cast<int>(ceil_div(channels, tiles));
    down = kThreads / across;
    if (in_chunks) {
      const int64_t wanted = ceil_div(rows, down * kRows), most = ceil_div(kMostBlocks, tiles);
      chunks = wanted < 1 ? 1 : wanted < most ? wanted : most;
    }
    chunk_rows = ceil_div(rows, chunks);
  }

  __device__ int64_t chunk() const { return blockIdx.x / tiles; }
  __device__ int64_t channel() const { return blockIdx.x % tiles * across + threadIdx.x % across; }
  __device__ int row() const { return static_cast<int>(threadIdx.x) / across; }
  __device__ bool works() const { return row() < down && channel() < channels; }
  __device__ int64_t begin() const { return chunk() * chunk_rows + row(); }
  __device__ int64_t end() const { return (chunk() + 1) * chunk_rows < rows ? (chunk() + 1) * chunk_rows : rows; }

  // The sum over a column of the block's threads, pairwise, in its row 0.
  template <class S>
  __device__ S sum(S own, S* shared) const {
    shared[threadIdx.x] = own;
    __syncthreads();
    int half = 1;
    while (2 * half < down) half *= 2;
    for (; half > 0; half /= 2) {
      if (row() < half && row() + half < down) shared[threadIdx.x] += shared[threadIdx.x + half * across];
      __syncthreads();
    }
    return shared[threadIdx.x];
  }
};

template <class T>
Columns terms_of(const PreluArgs<T>& a) {
  return Columns(a.outer, a.channels, kThreads, true);
}

template <class T>
__global__ void backward_kernel(Columns columns, PreluArgs<T> a, Compute<T>* partials) {
  using C = Compute<T>;
  __shared__ C shared[kThreads];
  const int64_t c = columns.channel();
  const T* __restrict__ x = a.x, * __restrict__ dy = a.dy;
  T* __restrict__ dx = a.dx;
  C sum = 0;
  if (columns.works()) {
    const C weight = a.weight[c];
#pragma unroll 4
    for (int64_t row = columns.begin(); row < columns.end(); row += columns.down) {
      const int64_t i = row * a.channels + c;
      dx[i] = static_cast<T>(prelu_slope<C>(dy[i], x[i], weight));
      sum += prelu_weight_term<C>(dy[i], x[i]);
    }
  }
  sum = columns.sum(sum, shared);
  if (columns.works() && columns.row() == 0) partials[columns.chunk() * a.channels + c] = sum;
}

template <class T>
__global__ void sum_partials_kernel(Columns columns, const T* partials, T* sums) {
  __shared__ double shared[kThreads];
  const int64_t c = columns.channel();
  double sum = 0;
  if (columns.works())
#pragma unroll 4
    for (int64_t row = columns.begin(); row < columns.end(); row += columns.down)
      sum += static_cast<double>(partials[row * columns.channels + c]);
  sum = columns.sum(sum, shared);
  if (columns.works() && columns.row() == 0) sums[c] = static_cast<T>(sum);
}

template <class T>
int64_t workspace(const PreluArgs<T>& a) {
  if (!a.dy || a.channels == 0) return 0;
  return terms_of(a).chunks * a.channels * static_cast<int64_t>(sizeof(Compute<T>));
}

template <class T>
void forward(const PreluArgs<T>& a) {
  map_digits(a.outer * a.channels * a.inner, Sizes{a.channels, a.inner}, a.y, Forward<Compute<T>>{a.weight}, a.x);
}

template <class T>
void backward(const PreluArgs<T>& a) {
  if (a.channels == 0) return;
  using C = Compute<T>;
  C* partials = static_cast<C*>(a.workspace);
  const Columns terms = terms_of(a), chunks(terms.chunks, a.channels, 8, false);
  FASTNN_LAUNCH(backward_kernel<T>, terms.tiles * terms.chunks, kThreads, 0, terms, a, partials);
  FASTNN_LAUNCH(sum_partials_kernel<C>, chunks.tiles, kThreads, 0, chunks, partials, a.dweight);
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(int64_t, prelu_workspace, PreluArgs, workspace)
FASTNN_CUDA_STORAGE_KERNEL(void, prelu_forward, PreluArgs, forward)
FASTNN_CUDA_STORAGE_KERNEL(void, prelu_backward, PreluArgs, backward)

}  // namespace fastnn::cuda
