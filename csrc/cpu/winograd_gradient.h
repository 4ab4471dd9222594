// The weight gradient by Winograd's F(4x4, 3x3): dw = G^T (sum over tiles of (B^T x B) * (A dy A^T)) G.
//
// The tiles are dealt to a fixed number of groups. A group takes chunk after chunk to private memory, as
// V[product][channel block][tile][16] and D[product][panel][tile][panel width], and adds their products to sums
// of its own, S[panel][product][input channel][panel width]; at the end the groups are added in order: nothing
// depends on the thread count, and nothing but S goes from one core to another. Together
// 36 (groups ci co + threads chunk (ci + co)) floats.
#pragma once

#include "cpu/winograd.h"

namespace fastnn::FASTNN_ISA {

struct WinogradGradient {
  Patches x, dy;
  TileGrid grid;
  int width;

  Panels<float> panels() const { return {dy.channels}; }
  WinogradWeights sums() const { return {x.channels, panels()}; }
  int64_t channel_blocks() const { return (x.channels + kBlock - 1) / kBlock; }
  bool large_sums() const { return sums().size() * static_cast<int64_t>(sizeof(float)) > (4 << 20); }
  // As many as their sums stay small beside the work, 4 MB in all: 8, 4 or 2. Larger sums are one group's.
  int64_t groups() const {
    if (large_sums()) return 1;
    int64_t count = 8;
    while (count > 2 && count * sums().size() * static_cast<int64_t>(sizeof(float)) > (4 << 20)) count /= 2;
    while (count > 1 && grid.count() < count * 16) count /= 2;
    return count;
  }
  // The panels of large sums are shared out instead, and each share transforms x for itself.
  Pieces shares() const {
    return Pieces(panels().count(), large_sums() ? 2 : panels().count() > 0 ? panels().count() : 1);
  }
  // V and D within the L2; for large sums more tiles a pass over them.
  int64_t chunk() const { return large_sums() ? 128 : 32; }
  // Tiles summed in registers from zero: short sums of short sums keep the rounding errors down.
  int64_t run_length() const { return 32; }
  int64_t v_plane() const { return channel_blocks() * chunk() * kBlock + kLine; }
  int64_t d_plane() const { return panels().size(chunk()) + kLine; }
  int64_t zeros() const {
    const int64_t most = x.channels > dy.channels ? x.channels : dy.channels;
    return (most + kLine - 1) / kLine * kLine;
  }
  int64_t bytes() const {
    return (groups() * sums().size() + zeros() + width * kProducts * (v_plane() + d_plane())) *
           static_cast<int64_t>(sizeof(float));
  }

  void load_tiles(int64_t begin, int64_t end, int64_t first_panel, int64_t last_panel, const float* nothing, float* v,
                  float* d) const {
    const int64_t size = chunk(), plane = v_plane(), dy_plane = d_plane();
    constexpr int64_t kWide = Panels<float>::kWide;
    const Panels<float> columns = panels();
    const int64_t first = first_panel * kWide;
    const int64_t last = last_panel * kWide < dy.channels ? last_panel * kWide : dy.channels;
    TilePlace place(grid, begin);
    for (int64_t tile = 0; tile < end - begin; ++tile, place.advance(grid)) {
      x.with_pixels<kTileIn>(place, nothing, [&](const auto& pixel) {
        transform_patch<InputTransform>(
            pixel, x.channels, plane, [&](int64_t c) { return v + (c / kBlock * size + tile) * kBlock + c % kBlock; });
      });
      dy.with_pixels<kTileOut>(place, nothing, [&](const auto& pixel) {
        transform_patch<GradientTransform>([&](int i, int j) { return pixel(i, j) + first; }, last - first, dy_plane,
                                           [&](int64_t c) {
                                             const int64_t p = first_panel + c / kWide;
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

  // dw = G^T S G, S summed over the groups, for 16 input channels of a panel.
  void finish(int64_t p, int64_t begin, int64_t end, const WeightStrides& strides, const float* s,
              float* dweight) const {
    const int64_t plane = sums().plane(p), columns = panels().width(p), valid = panels().valid(p);
    float* dst = dweight + p * Panels<float>::kWide * strides.out;
    float w[9][Panels<float>::kWide];
    for (int64_t c = begin; c < end; ++c) {
      const float* src = s + sums().offset(p) + c * columns;
      for (int64_t v = 0; v < columns; v += kFloatLanes)
        transform<WeightGradientTransform>(
            [&](int i, int j) {
              Vec<float> total = load(src + (i * kTileIn + j) * plane + v);
              for (int64_t g = 1; g < groups(); ++g)
                total = total + load(src + g * sums().size() + (i * kTileIn + j) * plane + v);
              return total;
            },
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
    float* nothing = s + groups() * sums().size();
    float* memory = nothing + zeros();
    for (int64_t i = 0; i < zeros(); ++i) nothing[i] = 0;
    const int64_t ci = x.channels, co = dy.channels, tiles = grid.count(), parts = groups();
    const int64_t cost = tiles * (kProducts * ci * co / 8 + 16 * (ci + co));
    const Pieces split = shares();
    parallel_blocks(parts * split.count, width, cost, [&](int64_t task, int worker) {
      const int64_t group = task / split.count, share = task % split.count;
      float* v = memory + worker * kProducts * (v_plane() + d_plane());
      float* d = v + kProducts * v_plane();
      int64_t begin = tiles * group / parts;
      const int64_t first = begin, last = tiles * (group + 1) / parts;
      do {  // an empty batch has one empty chunk: its sums are zero
        const int64_t end = begin + chunk() < last ? begin + chunk() : last;
        load_tiles(begin, end, split.begin(share), split.begin(share + 1), nothing, v, d);
        for (int64_t xi = 0; xi < kProducts; ++xi)
          for (int64_t p = split.begin(share); p < split.begin(share + 1); ++p)
            add_products(p, xi, end - begin, begin > first, v, d, s + group * sums().size());
        begin = end;
      } while (begin < last);
    });
    const Pieces channels(ci, kBlock);
    parallel_blocks(panels().count() * channels.count, width, kProducts * ci * co * 4, [&](int64_t task, int) {
      const int64_t block = task % channels.count;
      finish(task / channels.count, channels.begin(block), channels.begin(block + 1), strides, s, dweight);
    });
  }
};

}  // namespace fastnn::FASTNN_ISA
