// The weight gradient by Winograd's F(4x4, 3x3): dw = G^T (sum over tiles of (B^T x B) * (A dy A^T)) G.
//
// A chunk of tiles is transformed by all threads to V[product][channel block][tile][16] and
// D[product][panel][tile][panel width]; then the (panel, product) pairs are matrix products over the tiles of
// the chunk, added to S[panel][product][input channel][panel width]. Chunk follows chunk: nothing depends on
// the thread count. Together 36 (chunk (ci + co) + ci co) floats.
#pragma once

#include "cpu/winograd.h"

namespace fastnn::FASTNN_ISA {

struct WinogradGradient {
  Patches x, dy;
  TileGrid grid;
  int width;

  static constexpr int64_t kTiles = 16;  // transformed by one task
  // Tiles summed in registers from zero: short sums of short sums keep the rounding errors down.
  int64_t run_length() const { return grid.count() > 2048 ? 64 : 32; }
  Panels<float> panels() const { return {dy.channels}; }
  WinogradWeights sums() const { return {x.channels, panels()}; }
  int64_t channel_blocks() const { return (x.channels + kBlock - 1) / kBlock; }
  // The longer, the fewer passes over S; the shorter, the more of V and D stays in the caches.
  int64_t chunk() const {
    constexpr int64_t kMost = 256;
    const int64_t all = (grid.count() + kTiles - 1) / kTiles * kTiles;
    return all < kMost ? all : kMost;
  }
  int64_t v_plane() const { return channel_blocks() * chunk() * kBlock + kLine; }
  int64_t d_plane() const { return panels().size(chunk()) + kLine; }
  int64_t zeros() const {
    const int64_t most = x.channels > dy.channels ? x.channels : dy.channels;
    return (most + kLine - 1) / kLine * kLine;
  }
  int64_t bytes() const {
    return (sums().size() + zeros() + kProducts * (v_plane() + d_plane())) * static_cast<int64_t>(sizeof(float));
  }

  void load_tiles(int64_t first, int64_t begin, int64_t end, const float* nothing, float* v, float* d) const {
    const int64_t size = chunk(), plane = v_plane(), dy_plane = d_plane();
    constexpr int64_t kWide = Panels<float>::kWide;
    const Panels<float> columns = panels();
    TilePlace place(grid, begin);
    for (int64_t tile = begin - first; tile < end - first; ++tile, place.advance(grid)) {
      x.with_pixels<kTileIn>(place, nothing, [&](const auto& pixel) {
        transform_patch<InputTransform>(
            pixel, x.channels, plane, [&](int64_t c) { return v + (c / kBlock * size + tile) * kBlock + c % kBlock; });
      });
      dy.with_pixels<kTileOut>(place, nothing, [&](const auto& pixel) {
        transform_patch<GradientTransform>(pixel, dy.channels, dy_plane, [&](int64_t c) {
          const int64_t p = c / kWide;
          return d + columns.offset(p, size) + tile * columns.width(p) + c % kWide;
        });
      });
    }
  }

  // Panel p of product xi: the sums of a chunk of `count` tiles.
  void add_products(int64_t p, int64_t xi, int64_t count, bool accumulate, const float* v, const float* d,
                    float* s) const {
    const int vectors = panels().vectors(p);
    const int64_t run = run_length();
    TileArgs<float> t{};
    t.a_step = kBlock;
    t.count = 1;
    t.c_row = t.cols = panels().width(p);
    float* c = s + sums().offset(p) + xi * sums().plane(p);
    for (int64_t block = 0; block < channel_blocks(); ++block) {
      const int64_t left = x.channels - block * kBlock;
      const Pieces rows(left < kBlock ? left : kBlock, kMaxRows[vectors]);
      for (int64_t r = 0; r < rows.count; ++r) {
        t.a = v + xi * v_plane() + block * chunk() * kBlock + rows.begin(r);
        t.c = c + (block * kBlock + rows.begin(r)) * t.c_row;
        t.accumulate = accumulate;
        int64_t k = 0;
        do {
          const Segment segment{k * kBlock, k * t.c_row, count - k < run ? count - k : run};
          t.segments = &segment;
          t.b = d + xi * d_plane() + panels().offset(p, chunk());
          tile_for<float>(Walk::transposed, rows.size(r), vectors)(t);
          t.accumulate = true;
        } while ((k += run) < count);
      }
    }
  }

  // dw = G^T S G for 16 input channels of a panel.
  void finish(int64_t p, int64_t begin, int64_t end, const WeightStrides& strides, const float* s,
              float* dweight) const {
    const int64_t plane = sums().plane(p), columns = panels().width(p), valid = panels().valid(p);
    float* dst = dweight + p * Panels<float>::kWide * strides.out;
    float w[9][Panels<float>::kWide];
    for (int64_t c = begin; c < end; ++c) {
      const float* src = s + sums().offset(p) + c * columns;
      for (int64_t v = 0; v < columns; v += kFloatLanes)
        transform<WeightGradientTransform>([&](int i, int j) { return load(src + (i * kTileIn + j) * plane + v); },
                                           [&](int i, const Vec<float>* row) {
                                             for (int j = 0; j < 3; ++j) store(&w[i * 3 + j][v], row[j]);
                                           });
      for (int64_t j = 0; j < valid; ++j)
        for (int64_t k = 0; k < 9; ++k)
          dst[j * strides.out + c * strides.in + k / 3 * strides.kh + k % 3 * strides.kw] = w[k][j];
    }
  }

  void run(const WeightStrides& strides, float* dweight, void* workspace) const {
    float* s = static_cast<float*>(workspace);
    float* nothing = s + sums().size();
    float* v = nothing + zeros();
    float* d = v + kProducts * v_plane();
    for (int64_t i = 0; i < zeros(); ++i) nothing[i] = 0;
    const int64_t ci = x.channels, co = dy.channels;
    int64_t first = 0;
    do {  // an empty batch has one empty chunk: its sums are zero
      const int64_t end = first + chunk() < grid.count() ? first + chunk() : grid.count(), count = end - first;
      parallel_blocks((count + kTiles - 1) / kTiles, width, 128 * count * (ci + co), [&](int64_t task, int) {
        const int64_t begin = first + task * kTiles;
        load_tiles(first, begin, begin + kTiles < end ? begin + kTiles : end, nothing, v, d);
      });
      const int64_t cost = kProducts * ci * co * (count / 8 + 4);
      parallel_blocks(panels().count() * kProducts, width, cost, [&](int64_t task, int) {
        add_products(task / kProducts, task % kProducts, count, first > 0, v, d, s);
      });
      first = end;
    } while (first < grid.count());
    const Pieces channels(ci, kBlock);
    parallel_blocks(panels().count() * channels.count, width, kProducts * ci * co * 4, [&](int64_t task, int) {
      const int64_t block = task % channels.count;
      finish(task / channels.count, channels.begin(block), channels.begin(block + 1), strides, s, dweight);
    });
  }
};

}  // namespace fastnn::FASTNN_ISA
