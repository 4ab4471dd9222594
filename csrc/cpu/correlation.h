// The engine of convolution: out(i, j, :) = sum over taps of in(i * stride + row, j * stride + col, :) B[tap].
// The forward pass is one correlation; the input gradient is one for each phase of the stride; the
// weight gradient walks the same taps with the reduction turned round.
//
// A band of input rows is copied to private scratch in blocks of 16 channels, with zero columns where
// the padding is, and split by the phase of the column stride: then the pixels of an output row are
// always one block apart, and neighbouring taps are one contiguous run of the reduction.
#pragma once

#include "cpu/elementwise.h"
#include "cpu/tile.h"
#include "ops/conv2d.h"

namespace fastnn::FASTNN_ISA {

// One axis of taps: tap t reads at i * stride + first + t * step, and its weights are those of kernel
// index kernel_first + t * kernel_step.
struct Taps {
  int64_t count, first, step, stride;
  int64_t kernel_first, kernel_step;
  int64_t lowest() const { return step < 0 ? first + (count - 1) * step : first; }
  int64_t extent() const { return (count - 1) * (step < 0 ? -step : step) + 1; }
  // The same taps from the lowest column up.
  Taps ascending() const {
    if (step >= 0 || count == 0) return *this;
    return {count, lowest(), -step, stride, kernel_first + (count - 1) * kernel_step, -kernel_step};
  }
};

// What an element of scratch is: a value, or a pair of bfloat16 of two channels, or of one channel of two images.
enum class Pairing { none, channels, images };

static inline int64_t gcd(int64_t a, int64_t b) {
  while (b) {
    const int64_t r = a % b;
    a = b;
    b = r;
  }
  return a;
}

// Input position phase + stride * i receives from output position i + first + m * step through the
// kernel indices kernel_first + m * kernel_step: those with (phase + pad - index * dilation) divisible
// by the stride.
static inline Taps gradient_taps(int64_t phase, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad) {
  const int64_t period = stride / gcd(stride, dilation);
  int64_t first = 0;
  while (first < period && first < kernel && (phase + pad - first * dilation) % stride != 0) ++first;
  if (first == period || first >= kernel) return {0, 0, 1, 1, 0, 1};
  return {(kernel - first + period - 1) / period,
          (phase + pad - first * dilation) / stride,
          -period * dilation / stride,
          1,
          first,
          period};
}

template <class T>
struct Correlation {
  const T* in;            // of this group; pixel stride in_pixel
  int64_t n, ih, iw, ci;  // ci: this group's
  int64_t in_pixel;
  int64_t oh, ow;  // the grid of outputs
  Taps rows, cols;
  int64_t lanes = 1;  // elements in scratch for each of a pixel's channels
  Pairing pairing = Pairing::none;

  // ---- derived by plan(); n and ci then count pairs ----
  int64_t in_images, in_channels;  // of in
  int64_t block;                   // elements of a pixel in scratch: of 16 channels, or of all of fewer
  int64_t blocks;
  int64_t tap_step;     // columns between neighbouring taps
  bool merges;          // taps a stride apart are neighbours in scratch
  int64_t groups;       // runs of taps along a row; taps g, g + groups, ... follow each other
  int64_t slots;        // column phases kept
  int64_t slot_width;   // pixels of one phase
  int64_t row_size;     // elements of one scratch row of one channel block
  int64_t band, bands;  // output rows of a band; bands of an image
  int64_t plane;        // elements of one channel block
  int64_t chunk;        // channel blocks in scratch at a time
  int64_t depth;        // length of the whole reduction: rows of the packed weights

  void plan() {
    in_images = n;
    in_channels = ci;
    if (pairing == Pairing::images) n = (n + 1) / 2;
    if (pairing == Pairing::channels) ci = (ci + 1) / 2;
    block = (ci < kBlock ? ci : kBlock) * lanes;
    blocks = (ci + kBlock - 1) / kBlock;
    tap_step = cols.step < 0 ? -cols.step : cols.step;
    merges = cols.stride % tap_step == 0;
    groups = merges ? cols.stride / tap_step : cols.count;
    if (groups > cols.count) groups = cols.count;
    slots = merges ? groups : cols.stride;
    slot_width = ow + (cols.count - 1) * tap_step / cols.stride;
    row_size = slots * slot_width * block;
    depth = ci * rows.count * cols.count;
    chunk = blocks > 0 ? blocks : 1;
    cut_rows(96 << 10, 16);
  }
  // Deep sums over few pixels are made in parts, so that a part of a panel of weights stays in L2 while the pixels of
  // a larger band pass: else all weights come from L3 or memory for each of a few rows.
  void cut_depth() {
    const int64_t panel_block = kBlock * rows.count * cols.count * kTileVectors * kVectorBytes;
    if (panel_block * blocks <= (192 << 10) || band * ow >= 48 || band == oh) return;
    const Pieces parts(blocks, (128 << 10) / panel_block + 1);
    chunk = (blocks + parts.count - 1) / parts.count;
    cut_rows(256 << 10, 8);
  }
  // About this much scratch a band, and so many bands in all where there are rows enough.
  void cut_rows(int64_t bytes, int64_t least) {
    const int64_t row_bytes = row_size * chunk * static_cast<int64_t>(sizeof(T));
    int64_t in_rows = bytes / (row_bytes > 0 ? row_bytes : 1);
    band = (in_rows - rows.extent()) / rows.stride + 1;
    const int64_t share = (n * oh + least - 1) / least;
    if (band > share) band = share;
    if (band > oh) band = oh;
    if (band < 1) band = 1;
    bands = (oh + band - 1) / band;
    // A cache line more, so that planes do not meet in one L1 set; whole lines, so that what follows is aligned.
    plane = (band_rows(band) * row_size + 31) / 16 * 16;
  }
  int64_t band_rows(int64_t out_rows) const { return (out_rows - 1) * rows.stride + rows.extent(); }
  int64_t scratch_size() const { return chunk * plane; }
  int64_t segment_capacity() const { return blocks * rows.count * cols.count; }

  // Taps in ascending order of the column they read.
  int64_t ascending(int64_t u) const { return cols.step < 0 ? cols.count - 1 - u : u; }
  int64_t group_size(int64_t g) const { return (cols.count - g + groups - 1) / groups; }
  // Where ascending tap u of a row stands in scratch, relative to the output pixel.
  int64_t tap_offset(int64_t u) const {
    const int64_t reach = u * tap_step;
    const int64_t slot = merges ? u % groups : reach % cols.stride;
    return (slot * slot_width + reach / cols.stride) * block;
  }
  int64_t slot_phase(int64_t slot) const { return merges ? slot * tap_step : slot; }
  // First output row, and number of output rows, of a band.
  int64_t band_begin(int64_t b) const { return b * band; }
  int64_t band_size(int64_t b) const { return oh - b * band < band ? oh - b * band : band; }
  // Which row taps of output row i read inside the input: a range [first, last).
  void valid_rows(int64_t i, int64_t* first, int64_t* last) const {
    int64_t f = 0, l = rows.count;
    while (f < l && !reads(i, f)) ++f;
    while (l > f && !reads(i, l - 1)) --l;
    *first = f;
    *last = l;
  }
  // Whether row tap t of output row i reads a row of the input.
  bool reads(int64_t i, int64_t t) const {
    const int64_t r = i * rows.stride + rows.first + t * rows.step;
    return r >= 0 && r < ih;
  }
  // Rows of the packed weights: channel block, row tap, run, tap in the run, channel.
  int64_t weight_row(int64_t cb, int64_t t, int64_t g) const {
    const int64_t channels = block_channels(cb);
    int64_t before = 0;
    for (int64_t i = 0; i < g; ++i) before += group_size(i);
    return cb * kBlock * rows.count * cols.count + (t * cols.count + before) * channels;
  }
  int64_t block_channels(int64_t cb) const { return ci - cb * kBlock < kBlock ? ci - cb * kBlock : kBlock; }
};

// Calls copy(column, columns, to) for what each slot of a scratch row takes of an input row, `stride` columns apart;
// zero is what lies outside.
template <class T, class F>
FASTNN_INLINE void each_slot(const Correlation<T>& c, T* dst, const F& copy) {
  const int64_t stride = c.cols.stride;
  for (int64_t slot = 0; slot < c.slots; ++slot, dst += c.slot_width * c.block) {
    // Pixel j of the slot is input column first + j * stride.
    const int64_t first = c.slot_phase(slot) + c.cols.lowest();
    int64_t begin = first < 0 ? (-first + stride - 1) / stride : 0;
    int64_t end = c.iw > first ? (c.iw - first + stride - 1) / stride : 0;
    if (end > c.slot_width) end = c.slot_width;
    if (begin > end) begin = end;
    for (int64_t i = 0; i < begin * c.block; ++i) dst[i] = 0;
    for (int64_t i = end * c.block; i < c.slot_width * c.block; ++i) dst[i] = 0;
    copy(first + begin * stride, end - begin, dst + begin * c.block);
  }
}

// The scratch row `dst` of channel block cb takes an input row.
template <class T>
FASTNN_INLINE void load_row(const Correlation<T>& c, const T* row, int64_t cb, T* dst) {
  constexpr int64_t kL = kLanes<T>;
  const int64_t channels = c.block_channels(cb), step = c.cols.stride * c.in_pixel;
  each_slot(c, dst, [&](int64_t column, int64_t columns, T* to) {
    const T* src = row + cb * kBlock + column * c.in_pixel;
    if (channels == kBlock) {
      for (int64_t j = 0; j < columns; ++j)
#pragma GCC unroll 8
        for (int64_t v = 0; v < kBlock; v += kL) store(to + j * kBlock + v, load(src + j * step + v));
    } else if (step == c.block) {
      __builtin_memcpy(to, src, static_cast<size_t>(columns * c.block) * sizeof(T));
    } else {
      for (int64_t j = 0; j < columns; ++j)
        for (int64_t i = 0; i < channels; ++i) to[j * c.block + i] = src[j * step + i];
    }
  });
}

// The same in pairs; `next` is the row of the second image, or null.
template <class T>
FASTNN_INLINE void load_pair_row(const Correlation<T>& c, const T* row, const T* next, int64_t cb, T* dst) {
  const bool along = c.pairing == Pairing::channels;
  const int64_t first = cb * kBlock * (along ? 2 : 1), most = kBlock * (along ? 2 : 1);
  const int64_t values = c.in_channels - first < most ? c.in_channels - first : most;
  const int64_t step = c.cols.stride * c.in_pixel;
  each_slot(c, dst, [&](int64_t column, int64_t columns, T* to) {
    const int64_t at = first + column * c.in_pixel;
    auto make = [&](int64_t i, int64_t n) {
      return along ? pairs_along(row + at + i, n) : pairs_across(row + at + i, next ? next + at + i : next, n);
    };
    if (values == most) {
      for (int64_t j = 0; j < columns; ++j) store(to + j * kBlock, make(j * step, most));
    } else if (step == (along ? 2 * c.block : c.block)) {  // pixels touch
      const int64_t all = columns * c.block;
      for (int64_t i = 0; i < all; i += kBlock) {
        const int64_t n = all - i < kBlock ? all - i : kBlock;
        store_n(to + i, make(along ? 2 * i : i, along ? 2 * n : n), n);
      }
    } else {
      for (int64_t j = 0; j < columns; ++j) store_n(to + j * c.block, make(j * step, values), c.block);
    }
  });
}

// Copies the input rows that output rows [i0, i0 + count) of image `image` read, of channel blocks
// [first, last): those of block cb to planes[(cb - first) * plane].
template <class T>
static void load_blocks(const Correlation<T>& c, int64_t image, int64_t i0, int64_t count, int64_t first, int64_t last,
                        T* planes) {
  const int64_t row0 = i0 * c.rows.stride + c.rows.lowest();
  const int64_t size = c.ih * c.iw * c.in_pixel, number = c.pairing == Pairing::images ? 2 * image : image;
  const T* in = c.in + number * size;
  const T* next = c.pairing == Pairing::images && number + 1 < c.in_images ? in + size : nullptr;
  for (int64_t r = 0; r < c.band_rows(count); ++r) {
    const int64_t row = row0 + r;
    if (row < 0 || row >= c.ih) continue;                       // its taps are skipped
    if (c.rows.count == 1 && r % c.rows.stride != 0) continue;  // no tap reads it
    const int64_t at = row * c.iw * c.in_pixel;
    for (int64_t cb = first; cb < last; ++cb) {
      T* dst = planes + (cb - first) * c.plane + r * c.row_size;
      if constexpr (kHasPairs<T>)
        if (c.pairing != Pairing::none) {
          load_pair_row(c, in + at, next ? next + at : next, cb, dst);
          continue;
        }
      load_row(c, in + at, cb, dst);
    }
  }
}
template <class T>
static void load_band(const Correlation<T>& c, int64_t image, int64_t i0, int64_t count, T* scratch) {
  load_blocks(c, image, i0, count, 0, c.blocks, scratch);
}

// The reduction over channel blocks [begin, end), of which scratch holds the planes, of an output row whose row taps
// [first, last) are inside: runs of taps while the channels of neighbouring pixels touch, else one segment a tap.
template <class T>
static int64_t list_segments(const Correlation<T>& c, int64_t begin, int64_t end, int64_t first, int64_t last,
                             int64_t b_width, Segment* list) {
  const int64_t lowest = c.rows.lowest();
  int64_t count = 0;
  for (int64_t cb = begin; cb < end; ++cb) {
    const int64_t channels = c.block_channels(cb);
    for (int64_t t = first; t < last; ++t) {
      const int64_t a = (cb - begin) * c.plane + (c.rows.first + t * c.rows.step - lowest) * c.row_size;
      for (int64_t g = 0; g < c.groups; ++g) {
        const int64_t b = c.weight_row(cb, t, g), size = c.group_size(g);
        const int64_t start = a + c.tap_offset(g);
        if (channels * c.lanes == c.block) {
          list[count++] = {start, b * b_width, size * channels};
        } else {
          for (int64_t m = 0; m < size; ++m)
            list[count++] = {start + m * c.block, (b + m * channels) * b_width, channels};
        }
      }
    }
  }
  return count;
}

// Where output pixel (i, j) of an image goes, in elements.
template <class T>
struct OutputGrid {
  T* data;
  int64_t image, row, col;
  int64_t co;
};

// Runs one correlation with packed weights. scratch: scratch_size() elements a worker, then segments.
template <class T>
static void correlate(const Correlation<T>& c, const T* packed, const OutputGrid<T>& out, const Epilogue<T>& epilogue,
                      T* scratch, Segment* segments, int width) {
  const Panels<T> panels{out.co};
  // Whole lines of one pixel after the other, past the caches.
  const bool streaming = c.chunk >= c.blocks && epilogue.activation <= Activation::relu && out.col % kLanes<T> == 0 &&
                         out.row % kLanes<T> == 0 && out.image % kLanes<T> == 0 &&
                         can_stream(out.data, c.n * out.image);
  const int64_t cost = c.n * c.oh * c.ow * out.co * c.depth / 8 + c.n * c.oh * c.ow * out.co;
  parallel_blocks(c.n * c.bands, width, cost, [&](int64_t task, int worker) {
    const int64_t image = task / c.bands, i0 = c.band_begin(task % c.bands), count = c.band_size(task % c.bands);
    T* band = scratch + worker * c.scratch_size();
    Segment* list = segments + worker * c.segment_capacity();
    int64_t begin = 0;
    do {
      const int64_t end = begin + c.chunk < c.blocks ? begin + c.chunk : c.blocks;
      load_blocks(c, image, i0, count, begin, end, band);
      for (int64_t p = 0; p < panels.count(); ++p) {
        const int vectors = panels.vectors(p);
        const Pieces tiles(c.ow, kMaxRows[vectors]);
        Epilogue<T> e = epilogue;
        if (e.bias) e.bias += p * Panels<T>::kWide;
        int64_t listed_first = -1, listed_last = -1;
        TileArgs<T> t{};
        t.a_row = c.block;
        t.segments = list;
        t.b = packed + panels.offset(p, c.depth);
        t.c_row = out.col;
        t.cols = panels.valid(p);
        t.accumulate = begin > 0;
        t.streaming = streaming;
        t.epilogue = end == c.blocks && (e.bias || e.activation != Activation::none) ? &e : nullptr;
        for (int64_t i = 0; i < count; ++i) {
          int64_t first, last;
          c.valid_rows(i0 + i, &first, &last);
          if (first != listed_first || last != listed_last) {
            t.count = list_segments(c, begin, end, first, last, panels.width(p), list);
            listed_first = first;
            listed_last = last;
          }
          T* row = out.data + image * out.image + (i0 + i) * out.row + p * Panels<T>::kWide;
          for (int64_t k = 0; k < tiles.count; ++k) {
            const int64_t j = tiles.begin(k), size = tiles.size(k);
            t.a = band + i * c.rows.stride * c.row_size + j * c.block;
            t.c = row + j * out.col;
            tile_for<T>(c.block == kBlock ? Walk::dense_rows : Walk::any_rows, size, vectors,
                        c.pairing != Pairing::none)(t);
          }
        }
      }
      begin = end;
    } while (begin < c.blocks);
    if (streaming) stream_fence();
  });
}

}  // namespace fastnn::FASTNN_ISA
