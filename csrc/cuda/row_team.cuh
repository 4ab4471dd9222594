// How threads share rows that are normalised each by itself: a team of neighbouring warps takes a row and keeps
// what it can of it in registers.
#pragma once

#include "cuda/sums.cuh"
#include "cuda/values.cuh"

namespace fastnn::cuda {

// Values of width V that a thread keeps: 8 or 16 numbers.
template <int V>
inline constexpr int kKept = V == 1   ? 8
                             : V == 8 ? 2
                                      : 4;

// All of it follows from the shape alone.
struct RowGrid {
  int64_t rows, length, packs;  // packs: Values in a row
  int warps, teams;             // of a row, of a block
  bool whole;                   // a row fits into its team's registers

  RowGrid(int64_t rows_, int64_t length_, int width, int kept)
      : rows(rows_), length(length_), packs(length_ / width), warps(1) {
    while (warps < kThreads / 32 && packs > 32 * warps * kept) warps *= 2;
    teams = kThreads / 32 / warps;
    whole = packs <= 32 * warps * kept;
  }
  int64_t blocks(int64_t most) const {
    const int64_t blocks = ceil_div(rows, teams);
    return blocks < most ? blocks : most;
  }
};

// A thread's part of a segment of a row, as much as its team keeps at once.
template <int V>
struct RowPlace {
  int team, size;
  int64_t packs, segment, first;

  __device__ explicit RowPlace(const RowGrid& g)
      : team(static_cast<int>(threadIdx.x) / (32 * g.warps)),
        size(32 * g.warps),
        packs(g.packs),
        segment(static_cast<int64_t>(size) * kKept<V>),
        first(threadIdx.x % size) {}

  // f(k, column) for what the thread keeps of the segment that starts at this pack.
  template <class F>
  __device__ __forceinline__ void each(int64_t start, const F& f) const {
#pragma unroll
    for (int k = 0; k < kKept<V>; ++k) {
      const int64_t pack = start + first + static_cast<int64_t>(k) * size;
      if (pack < packs) f(k, pack * V);
    }
  }
};

}  // namespace fastnn::cuda
