// C (M, N) = A B, then bias and activation: both operands packed, fixed blocks, any strides.
//
// A is packed in blocks of [k / 16][rows][16], the layout in which the micro-kernel's rows are one
// cache line apart; B in panels [k][2 vectors]. Each K block is a separate pass over C.
#pragma once

#include "core/parallel.h"
#include "cpu/tile.h"

namespace fastnn::FASTNN_ISA {

template <class T>
struct Matrix {
  const T* data;
  int64_t row, col;  // strides in elements
};

template <class T>
struct Gemm {
  int64_t m, n, k;
  Matrix<T> a, b;
  T* c;
  int64_t c_row;
  Epilogue<T> epilogue;
  int width;

  static constexpr int64_t kDepth = 256;  // K block: a tile's A (14 KB) stays in L1
  static constexpr int64_t kRows = 8 * kMaxTileRows;
  static constexpr int64_t kPanels = 8;  // B of a task: 8 panels x 32 KB in L2

  int64_t depth_blocks() const { return (k + kBlock - 1) / kBlock; }
  Pieces row_blocks() const {
    // At least 8 tasks where the rows allow it, so that threads come out even.
    const Panels<T> panels{n};
    const int64_t across = (panels.count() + kPanels - 1) / kPanels;
    int64_t rows = (m * across + 7) / 8;
    const int64_t least = kMaxRows[kTileVectors];
    rows = rows < least ? least : rows > kRows ? kRows : rows;
    return Pieces(m, rows);
  }
  int64_t packed_a() const { return m * depth_blocks() * kBlock; }
  int64_t workspace() const {
    return (packed_a() + Panels<T>{n}.size(k)) * static_cast<int64_t>(sizeof(T)) + 64 +
           width * segments() * static_cast<int64_t>(sizeof(Segment));
  }
  static constexpr int64_t segments() { return kDepth / kBlock; }
};

// rows x 16 of A for each block of k: dst[kb][r][0..16).
template <class T>
static void pack_rows(const Matrix<T>& a, int64_t row0, int64_t rows, int64_t k, T* dst) {
  const int64_t blocks = (k + kBlock - 1) / kBlock;
  for (int64_t kb = 0; kb < blocks; ++kb) {
    const int64_t depth = k - kb * kBlock < kBlock ? k - kb * kBlock : kBlock;
    T* block = dst + kb * rows * kBlock;
    const T* src = a.data + row0 * a.row + kb * kBlock * a.col;
    if (a.col == 1) {
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < depth; ++i) block[r * kBlock + i] = src[r * a.row + i];
    } else {
      for (int64_t i = 0; i < depth; ++i)
        for (int64_t r = 0; r < rows; ++r) block[r * kBlock + i] = src[r * a.row + i * a.col];
    }
  }
}

// One panel of B: dst[k][width], columns beyond the matrix zero.
template <class T>
static void pack_panel(const Matrix<T>& b, int64_t col0, int64_t valid, int64_t width, int64_t k0, int64_t k1, T* dst) {
  const T* src = b.data + col0 * b.col;
  if (b.col == 1 && valid == width) {
    for (int64_t i = k0; i < k1; ++i)
      for (int64_t j = 0; j < width; ++j) dst[i * width + j] = src[i * b.row + j];
    return;
  }
  constexpr int64_t kTile = 16;
  for (int64_t i0 = k0; i0 < k1; i0 += kTile) {
    const int64_t i1 = i0 + kTile < k1 ? i0 + kTile : k1;
    for (int64_t j = 0; j < valid; ++j)
      for (int64_t i = i0; i < i1; ++i) dst[i * width + j] = src[i * b.row + j * b.col];
    for (int64_t i = i0; i < i1; ++i)
      for (int64_t j = valid; j < width; ++j) dst[i * width + j] = 0;
  }
}

template <class T>
static void gemm(const Gemm<T>& g, void* workspace) {
  if (g.m == 0 || g.n == 0) return;
  const Panels<T> panels{g.n};
  const Pieces row_blocks = g.row_blocks();
  const int64_t depth = g.depth_blocks() * kBlock;
  T* packed_a = static_cast<T*>(workspace);
  T* packed_b = packed_a + (g.packed_a() + 15) / 16 * 16;
  Segment* segments = reinterpret_cast<Segment*>(packed_b + panels.size(g.k));
  const int64_t bytes = static_cast<int64_t>(sizeof(T));

  // Pack: the row blocks of A, then pieces of B's panels.
  const Pieces depth_pieces(g.k > 0 ? g.k : 1, 512);
  const int64_t b_blocks = panels.count() * depth_pieces.count;
  parallel_blocks(row_blocks.count + b_blocks, g.width, 2 * bytes * (g.m + g.n) * g.k, [&](int64_t block, int) {
    if (block < row_blocks.count) {
      const int64_t r0 = row_blocks.begin(block);
      pack_rows(g.a, r0, row_blocks.size(block), g.k, packed_a + r0 * depth);
    } else if (g.k > 0) {
      const int64_t panel = (block - row_blocks.count) / depth_pieces.count;
      const int64_t piece = (block - row_blocks.count) % depth_pieces.count;
      pack_panel(g.b, panel * Panels<T>::kWide, panels.valid(panel), panels.width(panel), depth_pieces.begin(piece),
                 depth_pieces.begin(piece + 1), packed_b + panels.offset(panel, g.k));
    }
  });

  const Pieces panel_blocks(panels.count(), Gemm<T>::kPanels);
  // 1 byte of traffic costs about as much time as 8 multiply-adds.
  const int64_t cost = g.m * g.n * g.k / 8 + bytes * g.m * g.n;
  parallel_blocks(row_blocks.count * panel_blocks.count, g.width, cost, [&](int64_t block, int worker) {
    const int64_t rb = block % row_blocks.count, pb = block / row_blocks.count;
    const int64_t r0 = row_blocks.begin(rb), rows = row_blocks.size(rb);
    Segment* list = segments + worker * Gemm<T>::segments();
    for (int64_t k0 = 0; k0 == 0 || k0 < g.k; k0 += Gemm<T>::kDepth) {
      const int64_t k1 = k0 + Gemm<T>::kDepth < g.k ? k0 + Gemm<T>::kDepth : g.k;
      // Tiles of one block share these segments; a narrow panel's B offsets are half as large.
      const Pieces tiles(rows, kMaxRows[kTileVectors]);
      for (int64_t pass = 0; pass < 2; ++pass) {
        const int vectors = pass == 0 ? 2 : 1;
        int64_t count = 0;
        for (int64_t i = k0; i < k1; i += kBlock)
          list[count++] = {i * rows, i * vectors * kLanes<T>, k1 - i < kBlock ? k1 - i : kBlock};
        for (int64_t i = 0; i < tiles.count; ++i) {
          const TileFn<T> fn = tile_for<T>(Walk::dense_rows, tiles.size(i), vectors);
          for (int64_t p = panel_blocks.begin(pb); p < panel_blocks.begin(pb + 1); ++p) {
            if (panels.vectors(p) != vectors) continue;
            Epilogue<T> epilogue = g.epilogue;
            if (epilogue.bias) epilogue.bias += p * Panels<T>::kWide;
            TileArgs<T> t;
            t.a = packed_a + r0 * depth + tiles.begin(i) * kBlock;
            t.a_row = kBlock;
            t.segments = list;
            t.count = count;
            t.b = packed_b + panels.offset(p, g.k);
            t.c = g.c + (r0 + tiles.begin(i)) * g.c_row + p * Panels<T>::kWide;
            t.c_row = g.c_row;
            t.cols = panels.valid(p);
            t.accumulate = k0 > 0;
            t.epilogue = k1 == g.k ? &epilogue : nullptr;
            fn(t);
          }
        }
      }
    }
  });
}

}  // namespace fastnn::FASTNN_ISA
