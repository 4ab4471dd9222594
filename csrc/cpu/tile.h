// The one micro-kernel: a register tile of P rows by NV vectors,
//   c[p][:] = sum over segments, sum over k of A(p, k) * B(k, :),
// that GEMM, convolution, its input gradient and its weight gradient all run on. An element of A and B is a value,
// or a pair of bfloat16 in the bits of a float32, of which a step of k multiplies and adds both.
#pragma once

#include "core/vec_pairs.h"
#include "formulas/activations.h"

namespace fastnn::FASTNN_ISA {

// A stretch of the reduction: `run` steps of k from these offsets (in elements) of A and B.
struct Segment {
  int64_t a, b, run;
};

template <class T>
struct Epilogue {
  const T* bias = nullptr;  // one value a column
  Activation activation = Activation::none;
  T leaky_slope = 0, elu_alpha = 0;
};

template <class T>
struct TileArgs {
  const T* a;
  int64_t a_row;  // A(p, k) = a[p * a_row + k * a_step]
  int64_t a_step;
  const Segment* segments;
  int64_t count;
  const T* b;      // B(k, :) = b + k * NV * kLanes
  int64_t b_step;  // B(k, :) = b + k * b_step for a tile that reads B in place
  T* c;
  int64_t c_row;
  int64_t cols;                 // valid columns, at most NV * kLanes
  bool accumulate;              // add to c
  bool streaming;               // write whole rows of the tile past the caches; c and its rows are aligned
  const Epilogue<T>* epilogue;  // applied last, or null
};

// Enough accumulators to hide the latency of two FMAs a cycle, and not more than the registers hold:
// 14 x 2 of 32 registers, 6 x 2 or 12 x 1 of 16. The wide tiles are for few rows.
inline constexpr int kMaxVectors = 8;
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int kMaxRows[kMaxVectors + 1] = {0, 14, 14, 0, 6, 0, 0, 0, 3};
#else
inline constexpr int kMaxRows[kMaxVectors + 1] = {0, 12, 6, 0, 2, 0, 0, 0, 1};
#endif
inline constexpr int kMaxTileRows = 14;
inline constexpr int kTileVectors = 2;

// Channels side by side in the packed A operands; a pixel's channels are one cache line in float32.
inline constexpr int64_t kBlock = 16;

template <class T>
using TileFn = void (*)(const TileArgs<T>&);

// How A is walked. Rows at a compile-time distance need one address register for all of them. split_rows are dense_rows
// whose even and odd steps of k are summed apart, for two thirds to nine tenths of the rounding error; in float32, of
// half the rows, for the sums to fit the same registers.
enum class Walk { dense_rows, split_rows, any_rows, transposed };
inline constexpr int kWalks = 4;
inline constexpr int kSplitRows[] = {0, kMaxRows[2], kMaxRows[2] / 2};

// The tile of 1 <= rows <= kMaxRows[vectors] rows and 1 or 2 vectors; of pairs, where T and the ISA have them.
template <class T>
TileFn<T> tile_for(Walk walk, int64_t rows, int vectors, bool pairs = false);
// The same with B read in place, 2, 4 or 8 whole vectors of it; not for dense_rows.
template <class T>
TileFn<T> in_place_tile_for(Walk walk, int64_t rows, int vectors);

// Columns are cut into panels of two vectors; a rest that fits one vector is a panel of one.
template <class T>
struct Panels {
  int64_t cols;
  static constexpr int64_t kWide = kTileVectors * kLanes<T>;
  int64_t count() const { return (cols + kWide - 1) / kWide; }
  int vectors(int64_t panel) const { return cols - panel * kWide <= kLanes<T> ? 1 : 2; }
  int64_t width(int64_t panel) const { return vectors(panel) * kLanes<T>; }
  int64_t valid(int64_t panel) const {
    const int64_t left = cols - panel * kWide;
    return left < kWide ? left : kWide;
  }
  // Elements in front of a panel of `depth` rows, and of all panels.
  int64_t offset(int64_t panel, int64_t depth) const { return panel * kWide * depth; }
  int64_t size(int64_t depth) const { return count() * kWide * depth; }
};

// `total` cut into equal pieces of at most `most`: how many, and where piece i begins.
struct Pieces {
  int64_t total, count;
  Pieces(int64_t total_, int64_t most) : total(total_), count((total_ + most - 1) / most) {}
  int64_t begin(int64_t i) const { return total * i / count; }
  int64_t size(int64_t i) const { return begin(i + 1) - begin(i); }
};

}  // namespace fastnn::FASTNN_ISA
