// C (m, n) = A (m, k) B (k, n) in tiles, for matrices that a source of elements describes: strided memory or the
// windows of a convolution. A problem is a number of slices, products that differ in their sources and outputs.
#pragma once

#include "cuda/elementwise.cuh"
#include "cuda/sources.cuh"
#include "formulas/activations.h"

namespace fastnn::cuda {

// 256 threads, kAcross of them side by side; each has kEachM x kEachN elements of the tile in registers, and kDepth
// steps along k are in shared memory at once.
template <class Element, int kAcross_, int kEachM_, int kEachN_, int kDepth_>
struct Tile {
  using T = Element;
  static constexpr int kAcross = kAcross_, kEachM = kEachM_, kEachN = kEachN_, kDepth = kDepth_;
  static constexpr int kM = kThreads / kAcross * kEachM, kN = kAcross * kEachN;
  // Rows of shared memory are a pack longer, so that neighbours along k lie in different banks.
  static constexpr int kRowM = kM + kPack<T>, kRowN = kN + kPack<T>;
  static constexpr int kPassM = kThreads / kAcross * kPack<T>;  // rows of C that leave at once
  static constexpr int kOperands = 2 * kDepth * (kRowM + kRowN), kResults = kPassM * kN;
  static constexpr int kShared = kOperands > kResults ? kOperands : kResults;
};

// How a product is cut into blocks: a function of its shape alone, since it decides the order of the sums.
struct Parts {
  int64_t down, across, slices, splits, length;  // length of a split along k
  int64_t blocks() const { return down * across * slices * splits; }
};

template <class Tile>
Parts cut(int64_t m, int64_t n, int64_t k, int64_t slices) {
  constexpr int64_t kEnough = 256, kShortest = 128;  // blocks that fill a large device; steps that pay for a split
  Parts parts{ceil_div(m, Tile::kM), ceil_div(n, Tile::kN), slices, 1, k};
  const int64_t blocks = parts.blocks();
  if (blocks == 0 || blocks >= kEnough || k < 2 * kShortest) return parts;
  const int64_t wanted = ceil_div(kEnough, blocks), most = k / kShortest;
  parts.length = ceil_div(ceil_div(k, wanted < most ? wanted : most), Tile::kDepth) * Tile::kDepth;
  parts.splits = ceil_div(k, parts.length);
  return parts;
}

// One thread's share of a tile of A or B on its way from global to shared memory.
template <class Source, int kDepth, int kOuter, int kRow>
class Reader {
 public:
  static constexpr int kEach = kOuter * kDepth / kThreads;
  using T = typename Source::Element;

  __device__ Reader(const Source& source, const typename Source::Row* rows, int64_t k, int64_t end)
      : source_(source), rows_(rows) {
    const int thread = static_cast<int>(threadIdx.x);
    const bool along = source.along_k();  // neighbouring threads read what lies side by side
    depth_ = along ? thread % kDepth : thread / kOuter;
    outer_ = along ? thread / kDepth : thread % kOuter;
    depth_step_ = along ? 0 : kThreads / kOuter;
    outer_step_ = along ? kThreads / kDepth : 0;
    rest_ = kDepth - kEach * depth_step_;
    left_ = end - k - depth_;
    cursor_ = source.start(k + depth_);
  }
  __device__ __forceinline__ void read() {
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      values_[i] = i * depth_step_ < left_ ? source_.at(rows_[outer_ + i * outer_step_], cursor_) : T(0);
      source_.advance(cursor_, depth_step_);
    }
    source_.advance(cursor_, rest_);
    left_ -= kDepth;
  }
  __device__ __forceinline__ void write(T* to) const {
#pragma unroll
    for (int i = 0; i < kEach; ++i) to[(depth_ + i * depth_step_) * kRow + outer_ + i * outer_step_] = values_[i];
  }

 private:
  const Source& source_;
  const typename Source::Row* rows_;
  typename Source::Cursor cursor_;
  int64_t left_;
  int depth_, outer_, depth_step_, outer_step_, rest_;
  T values_[kEach];
};

// The packs of one row of a tile that belong to a thread: every kStep-th element starts one.
template <int kEach, int kStep, class T>
__device__ __forceinline__ void load_packs(const T* row, T (&to)[kEach]) {
#pragma unroll
  for (int pack = 0; pack < kEach / kPack<T>; ++pack)
    *reinterpret_cast<Pack<T>*>(to + pack * kPack<T>) = *reinterpret_cast<const Pack<T>*>(row + pack * kStep);
}

// Where results go: the sum of a row and a column, by offsets from `out` that add up.
template <class T>
struct Epilogue {
  T* out;
  const T* bias;  // one a column, or null
  Activation activation;
  T parameter;
  __device__ void store(int64_t offset, T sum, T bias_value) const {
    out[offset] = activate_any<T>(activation, bias ? sum + bias_value : sum, parameter, parameter);
  }
};

template <class Tile, class Problem>
__global__ void __launch_bounds__(kThreads, 2)
    product_kernel(Problem problem, Parts parts, int64_t first, typename Tile::T* partials) {
  using T = typename Tile::T;
  using Slice = typename Problem::Slice;
  alignas(16) __shared__ T shared[Tile::kShared];
  __shared__ typename Slice::A::Row a_rows[Tile::kM];
  __shared__ typename Slice::B::Row b_rows[Tile::kN];
  int64_t rest = first + blockIdx.x;
  const int64_t column = rest % parts.across * Tile::kN;
  rest /= parts.across;
  const int64_t row = rest % parts.down * Tile::kM;
  rest /= parts.down;
  const int64_t split = rest % parts.splits, index = rest / parts.splits;
  const int thread = static_cast<int>(threadIdx.x);
  __shared__ Slice slice;  // not in registers: the sums need them
  if (thread == 0) slice = problem.slice(index);
  __syncthreads();
  if (row >= slice.m) return;
  // What lies beyond the matrices is computed from the last row or column and never stored.
  for (int i = thread; i < Tile::kM; i += kThreads) a_rows[i] = slice.a.row(row + i < slice.m ? row + i : slice.m - 1);
  for (int i = thread; i < Tile::kN; i += kThreads)
    b_rows[i] = slice.b.row(column + i < slice.n ? column + i : slice.n - 1);
  __syncthreads();

  const int64_t begin = split * parts.length;
  const int64_t end = begin + parts.length < slice.k ? begin + parts.length : slice.k;
  Reader<typename Slice::A, Tile::kDepth, Tile::kM, Tile::kRowM> a(slice.a, a_rows, begin, end);
  Reader<typename Slice::B, Tile::kDepth, Tile::kN, Tile::kRowN> b(slice.b, b_rows, begin, end);
  const int down = thread / Tile::kAcross, across = thread % Tile::kAcross;
  T sums[Tile::kEachM][Tile::kEachN] = {};
  T* a_tile = shared;
  T* b_tile = shared + Tile::kDepth * Tile::kRowM;
  constexpr int kOther = Tile::kOperands / 2;  // from one pair of tiles to the other
  int other = kOther;
  if (begin < end) {
    a.read();
    b.read();
    a.write(a_tile);
    b.write(b_tile);
  }
  __syncthreads();
  for (int64_t k = begin; k < end; k += Tile::kDepth) {
    const bool more = k + Tile::kDepth < end;
    if (more) {
      a.read();
      b.read();
    }
#pragma unroll
    for (int depth = 0; depth < Tile::kDepth; ++depth) {
      alignas(16) T left[Tile::kEachM];
      alignas(16) T right[Tile::kEachN];
      load_packs<Tile::kEachM, Tile::kPassM>(a_tile + depth * Tile::kRowM + down * kPack<T>, left);
      load_packs<Tile::kEachN, Tile::kAcross * kPack<T>>(b_tile + depth * Tile::kRowN + across * kPack<T>, right);
#pragma unroll
      for (int i = 0; i < Tile::kEachM; ++i)
#pragma unroll
        for (int j = 0; j < Tile::kEachN; ++j) sums[i][j] = fma(left[i], right[j], sums[i][j]);
    }
    a_tile += other;
    b_tile += other;
    other = -other;
    if (more) {
      a.write(a_tile);
      b.write(b_tile);
    }
    __syncthreads();
  }

  // Through shared memory, so that neighbouring threads store neighbours and the epilogue is compiled few times.
  const int mine = thread % Tile::kN;
  const int64_t my_column = column + mine;
  const bool inside = my_column < slice.n, whole = parts.splits == 1;
  const T bias = inside && whole && slice.epilogue.bias ? slice.epilogue.bias[my_column] : T(0);
  const int64_t column_offset = inside ? slice.column_offset(my_column) : 0;
  T* partial = whole ? nullptr : partials + (index * parts.splits + split) * problem.m * slice.n + my_column;
#pragma unroll
  for (int pass = 0; pass < Tile::kEachM / kPack<T>; ++pass) {
#pragma unroll
    for (int i = 0; i < kPack<T>; ++i)
#pragma unroll
      for (int j = 0; j < Tile::kEachN; j += kPack<T>)
        *reinterpret_cast<Pack<T>*>(shared + (down * kPack<T> + i) * Tile::kN + j * Tile::kAcross + across * kPack<T>) =
            *reinterpret_cast<const Pack<T>*>(&sums[pass * kPack<T> + i][j]);
    __syncthreads();
#pragma unroll 1
    for (int i = thread / Tile::kN; i < Tile::kPassM; i += kThreads / Tile::kN) {
      const int64_t r = row + pass * Tile::kPassM + i;
      if (!inside || r >= slice.m) break;
      const T sum = shared[i * Tile::kN + mine];
      if (whole)
        slice.epilogue.store(slice.row_offset(r) + column_offset, sum, bias);
      else
        partial[r * slice.n] = sum;
    }
    __syncthreads();
  }
}

// Adds the partial sums of the splits, in their order. Blocks belong to one slice each.
template <class T, class Problem>
__global__ void finish_kernel(Problem problem, Parts parts, int64_t blocks_a_slice, const T* partials) {
  const int64_t index = blockIdx.x / blocks_a_slice;
  const auto slice = problem.slice(index);
  const int64_t size = problem.m * slice.n, used = slice.m * slice.n;
  const T* from = partials + index * parts.splits * size;
  for (int64_t i = blockIdx.x % blocks_a_slice * kThreads + threadIdx.x; i < used; i += blocks_a_slice * kThreads) {
    T sum = from[i];
    for (int64_t split = 1; split < parts.splits; ++split) sum += from[split * size + i];
    const int64_t row = i / slice.n, column = i % slice.n;
    const T bias = slice.epilogue.bias ? slice.epilogue.bias[column] : T(0);
    slice.epilogue.store(slice.row_offset(row) + slice.column_offset(column), sum, bias);
  }
}

// Calls body.operator()<Tile>() with the tile for an m x n product: narrow where there are few columns, large where
// that still makes enough blocks and little of them lies outside. Doubles fill the registers sooner.
template <class T, class Body>
auto with_tile(int64_t m, int64_t n, int64_t slices, const Body& body) {
  if constexpr (sizeof(T) == 8) {
    return body.template operator()<Tile<T, 16, 4, 4, 16>>();
  } else {
    if (n <= 16) return body.template operator()<Tile<T, 4, 4, 4, 16>>();
    if (n <= 32) return body.template operator()<Tile<T, 8, 4, 4, 16>>();
    const int64_t large = ceil_div(m, 128) * ceil_div(n, 128) * slices;
    const int64_t small = ceil_div(m, 64) * ceil_div(n, 64) * slices;
    if (large >= 128 && 4 * large * 4 <= 5 * small) return body.template operator()<Tile<T, 16, 8, 8, 8>>();
    return body.template operator()<Tile<T, 16, 4, 4, 16>>();
  }
}

template <class T, class Problem>
int64_t product_workspace(const Problem& p) {
  return with_tile<T>(p.m, p.n, p.slices, [&]<class Tile>() -> int64_t {
    const Parts parts = cut<Tile>(p.m, p.n, p.k, p.slices);
    return parts.splits == 1 ? 0 : p.slices * parts.splits * p.m * p.n * static_cast<int64_t>(sizeof(T));
  });
}

template <class T, class Problem>
void run_product(const Problem& p, void* workspace) {
  with_tile<T>(p.m, p.n, p.slices, [&]<class Tile>() {
    const Parts parts = cut<Tile>(p.m, p.n, p.k, p.slices);
    T* partials = static_cast<T*>(workspace);
    constexpr int64_t kMost = 1 << 30;  // blocks of one launch
    for (int64_t first = 0, all = parts.blocks(); first < all; first += kMost)
      FASTNN_LAUNCH((product_kernel<Tile, Problem>), all - first < kMost ? all - first : kMost, kThreads, 0, p, parts,
                    first, partials);
    if (parts.splits == 1 || parts.blocks() == 0) return;
    const int64_t all = ceil_div(p.m * p.n, kThreads), most = ceil_div(2048, p.slices);
    const int64_t blocks = all < most ? all : most;
    FASTNN_LAUNCH((finish_kernel<T, Problem>), blocks * p.slices, kThreads, 0, p, parts, blocks, partials);
  });
}

}  // namespace fastnn::cuda
