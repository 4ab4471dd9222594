#include "cpu/tile.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Activations other than relu, on the finished tile in memory: once, not in each of the tiles.
template <class T>
__attribute__((noinline)) void activate_rows(const TileArgs<T>& t, int rows) {
  constexpr int kL = kLanes<T>;
  const Epilogue<T>& e = *t.epilogue;
  for (int p = 0; p < rows; ++p)
    for (int64_t j = 0; j < t.cols; j += kL) {
      T* c = t.c + p * t.c_row + j;
      const int64_t n = t.cols - j < kL ? t.cols - j : kL;
      store_n(c, activate_any<T>(e.activation, load_n(c, n), e.leaky_slope, e.elu_alpha), n);
    }
}

// The end of a tile that has fewer columns than its vectors have lanes.
template <class T>
__attribute__((noinline)) void finish_part(const TileArgs<T>& t, const Vec<T>* acc, int rows, int vectors) {
  constexpr int kL = kLanes<T>;
  const T* bias = t.epilogue ? t.epilogue->bias : nullptr;
  const bool relu = t.epilogue && t.epilogue->activation == Activation::relu;
  for (int p = 0; p < rows; ++p)
    for (int64_t j = 0; j < t.cols; j += kL) {
      const int64_t n = t.cols - j < kL ? t.cols - j : kL;
      T* c = t.c + p * t.c_row + j;
      Vec<T> y = acc[p * vectors + j / kL];
      if (t.accumulate) y = load_n(c, n) + y;
      if (bias) y = y + load_n(bias + j, n);
      if (relu) y = activate<Activation::relu, T>(y, y);
      store_n(c, y, n);
    }
  if (t.epilogue && t.epilogue->activation > Activation::relu) activate_rows(t, rows);
}

// Rows of B that are on their way while one is used.
constexpr int64_t kAhead = 8;

template <class T, int P, int NV, Walk W, bool kInPlace, bool kPairs>
void tile(const TileArgs<T>& t) {
  constexpr int kL = kLanes<T>;
  constexpr bool kDense = W == Walk::dense_rows || W == Walk::split_rows;
  Vec<T> acc[P][NV], odd[P][NV];
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) acc[p][v] = odd[p][v] = Vec<T>{};

  const int64_t row = kDense ? kBlock : W == Walk::transposed ? 1 : t.a_row;
  const int64_t step = W == Walk::transposed ? t.a_step : 1;
  const int64_t b_step = kInPlace ? t.b_step : NV * kL;
  for (int64_t s = 0; s < t.count; ++s) {
    const Segment& segment = t.segments[s];
    const T* a = t.a + segment.a;
    const T* b = t.b + segment.b;
    const auto step_into = [&](Vec<T>(&sum)[P][NV]) __attribute__((always_inline)) {
      Vec<T> bv[NV];
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) bv[v] = load(b + v * kL);
      // Rows of a matrix are far apart: the hardware does not see what comes next.
      if constexpr (kInPlace)
#pragma GCC unroll 8
        for (int v = 0; v < NV; v += 64 / kVectorBytes) prefetch(b + kAhead * b_step + v * kL);
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p) {
        const Vec<T> av = splat(a[p * row]);
#pragma GCC unroll 8
        for (int v = 0; v < NV; ++v) {
          if constexpr (kPairs)
            sum[p][v] = dot_pairs(av, bv[v], sum[p][v]);
          else
            sum[p][v] = fma(av, bv[v], sum[p][v]);
        }
      }
      a += step;
      b += b_step;
    };
    int64_t k = 0;
    if constexpr (W == Walk::split_rows)
      for (; k + 2 <= segment.run; k += 2) step_into(acc), step_into(odd);
#pragma GCC unroll 2
    for (; k < segment.run; ++k) step_into(acc);
  }
  if constexpr (W == Walk::split_rows)
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) acc[p][v] += odd[p][v];

  if (t.cols < NV * kL) {
    Vec<T> made[P][NV];
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) made[p][v] = acc[p][v];
    return finish_part(t, made[0], P, NV);
  }
  // One thing after the other over all vectors: nested, the choices would multiply the code.
  const auto each = [&](const auto& f) {
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) f(acc[p][v], t.c + p * t.c_row + v * kL, v * kL);
  };
  if (t.accumulate) each([](Vec<T>& y, T* c, int64_t) { y = load(c) + y; });
  if (t.epilogue) {
    const T* bias = t.epilogue->bias;
    if (bias) each([&](Vec<T>& y, T*, int64_t j) { y = y + load(bias + j); });
    if (t.epilogue->activation == Activation::relu)
      each([](Vec<T>& y, T*, int64_t) { y = activate<Activation::relu, T>(y, y); });
  }
  if (t.streaming)
    each([](Vec<T>& y, T* c, int64_t) { stream(c, y); });
  else
    each([](Vec<T>& y, T* c, int64_t) { store(c, y); });
  if (t.epilogue && t.epilogue->activation > Activation::relu) activate_rows(t, P);
}

// A tile for each number of rows from 1 on.
template <class T, int NV, Walk W, bool kInPlace = false, bool kPairs = false, int P = 1>
constexpr void fill(TileFn<T>* table) {
  if constexpr (P <= (W == Walk::split_rows ? kSplitRows[NV] : kMaxRows[NV])) {
    table[P] = &tile<T, P, NV, W, kInPlace, kPairs>;
    fill<T, NV, W, kInPlace, kPairs, P + 1>(table);
  }
}

template <class T, bool kPairs>
struct Tiles {
  TileFn<T> table[kWalks][3][kMaxTileRows + 1] = {};
  template <Walk W>
  constexpr void fill_walk(Walk walk) {
    fill<T, 1, W, false, kPairs>(table[static_cast<int>(walk)][1]);
    fill<T, 2, W, false, kPairs>(table[static_cast<int>(walk)][2]);
  }
  constexpr Tiles() {
    // In float64 the walk over dense rows is not worth instances of its own.
    fill_walk<sizeof(T) == 4 ? Walk::dense_rows : Walk::any_rows>(Walk::dense_rows);
    if constexpr (sizeof(T) == 4 && !kPairs) fill_walk<Walk::split_rows>(Walk::split_rows);
    fill_walk<Walk::any_rows>(Walk::any_rows);
    fill_walk<Walk::transposed>(Walk::transposed);
  }
};

template <class T>
struct InPlaceTiles {
  TileFn<T> table[2][kMaxVectors + 1][kMaxTileRows + 1] = {};
  template <Walk W>
  constexpr void fill_walk(TileFn<T> (*tiles)[kMaxTileRows + 1]) {
    fill<T, 2, W, true>(tiles[2]);
    fill<T, 4, W, true>(tiles[4]);
    fill<T, 8, W, true>(tiles[8]);
  }
  constexpr InPlaceTiles() {
    fill_walk<Walk::any_rows>(table[0]);
    fill_walk<Walk::transposed>(table[1]);
  }
};

// Constant data: code compiled for one ISA must not run when the module is loaded.
constexpr Tiles<float, false> kFloatTiles;
constexpr Tiles<double, false> kDoubleTiles;
constexpr Tiles<float, kHasPairs<float>> kPairTiles;
constexpr InPlaceTiles<float> kFloatInPlace;
constexpr InPlaceTiles<double> kDoubleInPlace;

}  // namespace

template <>
TileFn<float> tile_for<float>(Walk walk, int64_t rows, int vectors, bool pairs) {
  return (pairs ? kPairTiles.table : kFloatTiles.table)[static_cast<int>(walk)][vectors][rows];
}
template <>
TileFn<double> tile_for<double>(Walk walk, int64_t rows, int vectors, bool) {
  return kDoubleTiles.table[static_cast<int>(walk)][vectors][rows];
}
template <>
TileFn<float> in_place_tile_for<float>(Walk walk, int64_t rows, int vectors) {
  return kFloatInPlace.table[walk == Walk::transposed][vectors][rows];
}
template <>
TileFn<double> in_place_tile_for<double>(Walk walk, int64_t rows, int vectors) {
  return kDoubleInPlace.table[walk == Walk::transposed][vectors][rows];
}

}  // namespace fastnn::FASTNN_ISA
