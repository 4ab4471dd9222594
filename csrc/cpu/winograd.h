// Convolution by Winograd's F(4x4, 3x3): 3x3 kernels, stride 1. Forward, and the input gradient as a
// correlation with the kernel turned round.
//
// A task takes a block of tiles, numbered over the whole batch, to private memory as V[product][channel
// block][tile][16]; for each panel of output channels the 36 products are small matrix products into
// M[product][tile][panel], which the output transform reads while they are in the cache. Planes are a cache
// line longer than their contents: the 36 stores of a transform would otherwise meet in one set of the L1.
#pragma once

#include "core/parallel.h"
#include "cpu/elementwise.h"
#include "cpu/tile.h"
#include "cpu/winograd_transforms.h"
#include "ops/conv2d.h"

namespace fastnn::FASTNN_ISA {

inline constexpr int64_t kLine = 16;  // floats of a cache line
inline constexpr int64_t kFloatLanes = kLanes<float>;

// 4x4 tiles over the (h, w) outputs of n images.
struct TileGrid {
  int64_t n, h, w;
  int64_t rows() const { return (h + kTileOut - 1) / kTileOut; }
  int64_t cols() const { return (w + kTileOut - 1) / kTileOut; }
  int64_t count() const { return n * rows() * cols(); }
};
struct TilePlace {
  int64_t image, row, col;  // of the tile's first output
  TilePlace(const TileGrid& g, int64_t tile)
      : image(tile / (g.rows() * g.cols())),
        row(tile / g.cols() % g.rows() * kTileOut),
        col(tile % g.cols() * kTileOut) {}
  void advance(const TileGrid& g) {
    if ((col += kTileOut) < g.w) return;
    col = 0;
    if ((row += kTileOut) < g.h) return;
    row = 0;
    ++image;
  }
};

// Images (n, h, w, channels), read in patches that may reach beyond the border.
struct Patches {
  const float* data;
  int64_t h, w, channels;
  int64_t first_row, first_col;  // of the patch of the tile at (0, 0)

  // Calls f with the function that gives the address of pixel (i, j) of a kSize x kSize patch; pixels outside
  // the image read `zeros`.
  template <int kSize, class F>
  FASTNN_MEMBER void with_pixels(const TilePlace& tile, const float* zeros, const F& f) const {
    const int64_t top = tile.row + first_row, left = tile.col + first_col, step = channels, row_step = w * channels;
    const float* corner = data + tile.image * h * row_step + top * row_step + left * step;
    if (top >= 0 && left >= 0 && top + kSize <= h && left + kSize <= w)
      return f([=](int i, int j) { return corner + i * row_step + j * step; });
    const float* pixels[kSize * kSize];
    for (int64_t i = 0; i < kSize; ++i)
      for (int64_t j = 0; j < kSize; ++j) {
        const bool inside = (top + i >= 0) & (top + i < h) & (left + j >= 0) & (left + j < w);
        pixels[i * kSize + j] = inside ? corner + i * row_step + j * step : zeros;
      }
    f([&](int i, int j) { return pixels[i * kSize + j]; });
  }
  // Asks for a quarter of what a later tile reads and its neighbours do not.
  FASTNN_MEMBER void fetch(const TilePlace& tile, int64_t quarter) const {
    const int64_t row = tile.row + first_row + kTileIn - kTileOut + quarter, col = tile.col + first_col + 2;
    if (row < 0 || row >= h || col < 0 || col + kTileOut > w) return;
    const float* p = data + ((tile.image * h + row) * w + col) * channels;
    for (int64_t i = 0; i < kTileOut * channels; i += kLine) prefetch_l2(p + i);
  }
};

// Transforms all channels of a patch: those from c on of product xi go to at(c) + xi * plane.
template <class Line, class Pixel, class At>
FASTNN_INLINE void transform_patch(const Pixel& pixel, int64_t channels, int64_t plane, const At& at) {
  auto lanes = [&](int64_t c, const auto& get) {
    float* dst = at(c);
    transform<Line>([&](int i, int j) { return get(pixel(i, j) + c); },
                    [&](int i, const Vec<float>* row) {
#pragma GCC unroll 6
                      for (int j = 0; j < Line::kOut; ++j) store(dst + (i * Line::kOut + j) * plane, row[j]);
                    });
  };
  int64_t c = 0;
  for (; c + kFloatLanes <= channels; c += kFloatLanes) lanes(c, [](const float* p) { return load(p); });
  if (c < channels) lanes(c, [n = channels - c](const float* p) { return load_n(p, n); });
}

// Transformed weights U[panel][product][input channel][panel width].
struct WinogradWeights {
  int64_t ci;
  Panels<float> panels;
  int64_t plane(int64_t panel) const { return ci * panels.width(panel) + kLine; }
  int64_t offset(int64_t panel) const { return panel * kProducts * (ci * Panels<float>::kWide + kLine); }
  int64_t size() const { return offset(panels.count()); }

  void pack(const WeightStrides& s, const float* weight, float* u, int width) const {
    const Pieces channels(ci, kBlock);
    const int64_t cost = size() * static_cast<int64_t>(sizeof(float));
    parallel_blocks(panels.count() * channels.count, width, cost, [&](int64_t i, int) {
      const int64_t p = i / channels.count, block = i % channels.count;
      const int64_t columns = panels.width(p), valid = panels.valid(p);
      const float* src = weight + p * Panels<float>::kWide * s.out;
      // [channel][tap][column] of up to 16 channels: once through the source, in its order.
      double w[kBlock][9][Panels<float>::kWide] = {};
      const int64_t first = channels.begin(block), count = channels.size(block);
      auto get = [&](int64_t c, int64_t k, int64_t j) {
        w[c][k][j] = src[j * s.out + (first + c) * s.in + k / 3 * s.kh + k % 3 * s.kw];
      };
      if (s.out < s.in) {
        for (int64_t c = 0; c < count; ++c)
          for (int64_t k = 0; k < 9; ++k)
            for (int64_t j = 0; j < valid; ++j) get(c, k, j);
      } else {
        for (int64_t j = 0; j < valid; ++j)
          for (int64_t k = 0; k < 9; ++k)
            for (int64_t c = 0; c < count; ++c) get(c, k, j);
      }
      for (int64_t c = 0; c < count; ++c) {
        float* dst = u + offset(p) + (first + c) * columns;
        for (int64_t v = 0; v < columns; v += kLanes<double>)
          transform<WeightTransform>([&](int k, int l) { return load(&w[c][k * 3 + l][v]); },
                                     [&](int k, const Vec<double>* row) {
                                       for (int l = 0; l < kTileIn; ++l)
                                         for (int64_t j = 0; j < kLanes<double>; ++j)
                                           dst[(k * kTileIn + l) * plane(p) + v + j] = static_cast<float>(row[l][j]);
                                     });
      }
    });
  }
};

// Activations other than relu, out of the unrolled transform.
static __attribute__((noinline)) Vec<float> activate_apart(const Epilogue<float>& e, Vec<float> y) {
  return activate_any<float>(e.activation, y, e.leaky_slope, e.elu_alpha);
}

struct Winograd {
  Patches in;
  TileGrid grid;
  float* out;  // (n, h, w, co) of the grid
  int64_t co;
  Epilogue<float> epilogue;
  int width;

  WinogradWeights weights() const { return {in.channels, {co}}; }
  Panels<float> panels() const { return {co}; }
  int64_t channel_blocks() const { return (in.channels + kBlock - 1) / kBlock; }
  // Short sums, and small images, where the direct kernel skips the border, need it to keep the promised error: at most
  // 2.5 times the direct kernel's (rms). In two vectors it costs 3 to 10 % of the time.
  bool splits() const {
    const int64_t pixels = grid.h * grid.w;
    return in.channels < 32 || pixels <= (in.channels < 64 ? 144 : 16);
  }
  int64_t tile_rows(int vectors) const {
    if (splits()) return kSplitRows[vectors];
    return vectors == 1 ? kMaxRows[1] : kMaxRows[2] < 8 ? kMaxRows[2] : 8;
  }
  // Tiles of a block: V and M within the L2, and at least 16 blocks where there are tiles enough.
  int64_t block() const {
    const int64_t rows = grid.count() < 8 * tile_rows(2) ? 1 : 2;
    return rows * tile_rows(co <= kFloatLanes ? 1 : 2);
  }
  int64_t blocks() const { return (grid.count() + block() - 1) / block(); }
  // With few blocks the panels are shared out, too, and each share transforms the input for itself.
  int64_t shares() const {
    const int64_t wanted = blocks() > 0 ? (16 + blocks() - 1) / blocks() : 1, most = (panels().count() + 1) / 2;
    return wanted < most ? wanted : most > 0 ? most : 1;
  }
  int64_t v_plane() const { return channel_blocks() * block() * kBlock + kLine; }
  int64_t m_plane() const { return block() * Panels<float>::kWide + kLine; }
  int64_t zeros() const { return (in.channels + kLine - 1) / kLine * kLine; }
  int64_t scratch() const { return kProducts * (v_plane() + m_plane()); }
  int64_t bytes() const {
    return (weights().size() + zeros() + width * scratch()) * static_cast<int64_t>(sizeof(float)) +
           channel_blocks() * static_cast<int64_t>(sizeof(Segment)) * 2;
  }

  void load_tiles(int64_t begin, int64_t end, const float* nothing, float* v) const {
    const int64_t size = block(), plane = v_plane();
    TilePlace place(grid, begin);
    for (int64_t tile = 0; tile < end - begin; ++tile, place.advance(grid))
      in.with_pixels<kTileIn>(place, nothing, [&](const auto& pixel) {
        transform_patch<InputTransform>(
            pixel, in.channels, plane, [&](int64_t c) { return v + (c / kBlock * size + tile) * kBlock + c % kBlock; });
      });
  }

  template <bool kStreaming>
  void store_tile(const TilePlace& tile, int64_t panel, const float* m) const {
    const int64_t rows = grid.h - tile.row < kTileOut ? grid.h - tile.row : kTileOut;
    const int64_t cols = grid.w - tile.col < kTileOut ? grid.w - tile.col : kTileOut;
    const int64_t first = panel * Panels<float>::kWide, plane = m_plane();
    float* y = out + ((tile.image * grid.h + tile.row) * grid.w + tile.col) * co + first;
    for (int64_t v = 0; v < panels().width(panel); v += kFloatLanes) {
      const int64_t n = panels().valid(panel) - v < kFloatLanes ? panels().valid(panel) - v : kFloatLanes;
      const Vec<float> bias = epilogue.bias ? load_n(epilogue.bias + first + v, n) : Vec<float>{};
      transform<OutputTransform>([&](int i, int j) { return load(m + (i * kTileIn + j) * plane + v); },
                                 [&](int i, Vec<float>* row) {
                                   if (i >= rows) return;
                                   float* dst = y + i * grid.w * co + v;
#pragma GCC unroll 4
                                   for (int j = 0; j < kTileOut; ++j) row[j] = row[j] + bias;
                                   if (epilogue.activation == Activation::relu) {
#pragma GCC unroll 4
                                     for (int j = 0; j < kTileOut; ++j)
                                       row[j] = activate<Activation::relu, float>(row[j], row[j]);
                                   } else if (epilogue.activation != Activation::none) {
                                     for (int j = 0; j < kTileOut; ++j) row[j] = activate_apart(epilogue, row[j]);
                                   }
#pragma GCC unroll 4
                                   for (int j = 0; j < kTileOut; ++j) {
                                     if (j >= cols) break;
                                     if (n == kFloatLanes)
                                       put<kStreaming>(dst + j * co, row[j]);
                                     else
                                       store_n(dst + j * co, row[j], n);
                                   }
                                 });
    }
  }

  template <bool kStreaming>
  void run_block(int64_t index, int64_t share, const float* u, const float* nothing, const Segment* segments, float* v,
                 float* m) const {
    const int64_t size = block(), begin = index * size;
    const int64_t end = begin + size < grid.count() ? begin + size : grid.count();
    load_tiles(begin, end, nothing, v);
    const WinogradWeights w = weights();
    const Pieces split(panels().count(), (panels().count() + shares() - 1) / shares());
    // Meanwhile the next block's pixels come, a quarter of a tile at a time.
    const int64_t next = share == split.count - 1 && end + size <= grid.count() ? 4 * size : 0;
    const int64_t products = kProducts * split.size(share);
    TilePlace ahead(grid, end);
    int64_t fetched = 0, done = 0;
    for (int64_t p = split.begin(share); p < split.begin(share + 1); ++p) {
      const int vectors = panels().vectors(p);
      const Pieces rows(end - begin, tile_rows(vectors));
      TileArgs<float> t{};
      t.segments = segments + (vectors - 1) * channel_blocks();
      t.count = channel_blocks();
      t.c_row = t.cols = panels().width(p);
      for (int64_t xi = 0; xi < kProducts; ++xi) {
        t.b = u + w.offset(p) + xi * w.plane(p);
        for (int64_t r = 0; r < rows.count; ++r) {
          t.a = v + xi * v_plane() + rows.begin(r) * kBlock;
          t.c = m + xi * m_plane() + rows.begin(r) * t.c_row;
          tile_for<float>(splits() ? Walk::split_rows : Walk::dense_rows, rows.size(r), vectors)(t);
        }
        ++done;
        for (; fetched * products < next * done; ++fetched) {
          in.fetch(ahead, fetched % 4);
          if (fetched % 4 == 3) ahead.advance(grid);
        }
      }
      TilePlace place(grid, begin);
      for (int64_t tile = begin; tile < end; ++tile, place.advance(grid))
        store_tile<kStreaming>(place, p, m + (tile - begin) * t.c_row);
    }
    if constexpr (kStreaming) stream_fence();
  }

  void run(const WeightStrides& strides, const float* weight, void* workspace) const {
    float* u = static_cast<float*>(workspace);
    float* nothing = u + weights().size();
    float* memory = nothing + zeros();
    Segment* segments = reinterpret_cast<Segment*>(memory + width * scratch());
    for (int64_t i = 0; i < zeros(); ++i) nothing[i] = 0;
    for (int vectors = 1; vectors <= 2; ++vectors)
      for (int64_t b = 0; b < channel_blocks(); ++b) {
        const int64_t left = in.channels - b * kBlock;
        segments[(vectors - 1) * channel_blocks() + b] = {b * block() * kBlock, b * kBlock * vectors * kFloatLanes,
                                                          left < kBlock ? left : kBlock};
      }
    weights().pack(strides, weight, u, width);
    const bool streaming = can_stream(out, grid.n * grid.h * grid.w * co) && co % kFloatLanes == 0;
    const int64_t parts = Pieces(panels().count(), (panels().count() + shares() - 1) / shares()).count;
    const int64_t cost = grid.count() * (kProducts * in.channels * co / 8 + 16 * (in.channels + co));
    parallel_blocks(blocks() * parts, width, cost, [&](int64_t task, int worker) {
      float* v = memory + worker * scratch();
      float* m = v + kProducts * v_plane();
      if (streaming)
        run_block<true>(task / parts, task % parts, u, nothing, segments, v, m);
      else
        run_block<false>(task / parts, task % parts, u, nothing, segments, v, m);
    });
  }
};

}  // namespace fastnn::FASTNN_ISA
