// The weight gradient of direct convolution: products of input pixels, transposed, with dy's, summed over all
// output pixels. Two ways to order the sums, both of a fixed shape.
#pragma once

#include "cpu/conv_correlations.h"

namespace fastnn::FASTNN_ISA {

// What both ways have in common: the sums as a matrix of panels, a row for each row of the packed weights.
template <class T>
struct WeightGradient {
  Correlation<T> c;
  Panels<T> panels;
  int width;

  WeightGradient(const Conv2dArgs<T>& a)
      : c(forward_correlation(a, 1, pairs_of_images(a) ? Pairing::images : Pairing::none)),
        panels{a.co / a.groups},
        width(a.width) {}

  int64_t size() const { return panels.size(c.depth); }

  // Elements of the sums over pixels are values of one image, or pairs of those of two.
  static bool pairs_of_images(const Conv2dArgs<T>& a) { return kHasPairs<T> && a.bfloat16 && a.n > 1; }
  bool paired() const { return c.pairing == Pairing::images; }
  int64_t first_of(int64_t image) const { return paired() ? 2 * image : image; }

  // Panel p of dy at `pixels` pixels of an image from one on, as rows of the panel's width, columns beyond the matrix
  // zero; `dy` is where the first of them lies, `image` a number of the correlation's.
  void load_panel(const T* dy, int64_t image, int64_t pixel, int64_t p, int64_t pixels, T* dst) const {
    constexpr int64_t kL = kLanes<T>;
    const int64_t columns = panels.width(p), valid = panels.valid(p);
    for (int64_t i = 0; i < pixels; ++i) {
      const T* src = dy + i * pixel + p * Panels<T>::kWide;
      for (int64_t j = 0; j < columns; j += kL) {
        const int64_t left = valid - j;
        if constexpr (kHasPairs<T>)
          if (paired()) {
            const T* next = first_of(image) + 1 < c.in_images ? src + c.oh * c.ow * pixel + j : nullptr;
            store(dst + i * columns + j, pairs_across(src + j, next, left > 0 ? left : 0));
            continue;
          }
        store(dst + i * columns + j, left >= kL ? load(src + j) : load_n(src + j, left > 0 ? left : 0));
      }
    }
  }

  // The rows of the sums that row tap `tap` and channel block cb own: t has segments, B and the panel's columns;
  // `plane` is the block in scratch.
  void add_tap(TileArgs<T>& t, int64_t p, int64_t cb, int64_t tap, const T* plane, T* sums) const {
    const int64_t channels = c.block_channels(cb), columns = panels.width(p);
    const T* a = plane + (c.rows.first + tap * c.rows.step - c.rows.lowest()) * c.row_size;
    for (int64_t g = 0; g < c.groups; ++g) {
      // A run of taps is one stretch of rows of the packed weights, if the channels touch.
      const int64_t taps = c.group_size(g), row = c.weight_row(cb, tap, g);
      const int64_t stretch = channels == c.block ? taps * channels : channels;
      for (int64_t m = 0; m * stretch < taps * channels; ++m) {
        const Pieces pieces(stretch, kMaxRows[panels.vectors(p)]);
        for (int64_t k = 0; k < pieces.count; ++k) {
          t.a = a + c.tap_offset(g) + m * c.block + pieces.begin(k);
          t.c = sums + panels.offset(p, c.depth) + (row + m * stretch + pieces.begin(k)) * columns;
          tile_for<T>(Walk::transposed, pieces.size(k), panels.vectors(p), paired())(t);
        }
      }
    }
  }
  TileArgs<T> tile(int64_t p, const Segment* list, const T* gradient) const {
    TileArgs<T> t{};
    t.a_step = c.block;
    t.segments = list;
    t.b = gradient;
    t.c_row = panels.width(p);
    t.cols = panels.width(p);
    t.accumulate = true;
    return t;
  }

  // dw takes the total of `parts` sums.
  void write(const WeightStrides& strides, const T* sums, int64_t parts, T* dw) const {
    parallel_blocks(
        panels.count() * c.blocks, width, 4 * parts * size() * static_cast<int64_t>(sizeof(T)), [&](int64_t i, int) {
          const int64_t p = i / c.blocks, columns = panels.width(p), valid = panels.valid(p);
          T* dst = dw + p * Panels<T>::kWide * strides.out;
          const T* src = sums + panels.offset(p, c.depth);
          each_weight(c, strides, i % c.blocks, valid, [&](int64_t row, int64_t j, int64_t offset, int64_t) {
            T total = 0;
            for (int64_t part = 0; part < parts; ++part) total += src[part * size() + row * columns + j];
            dst[offset] = total;
          });
        });
  }
};

// Band by band, all channels at once. Bands are dealt to at most kGroups groups by their number, each group sums
// into an accumulator of its own in order, and the accumulators are added in order.
template <class T>
struct BandWeightGradient : WeightGradient<T> {
  static constexpr int64_t kGroups = 8;
  using WeightGradient<T>::WeightGradient, WeightGradient<T>::c, WeightGradient<T>::panels, WeightGradient<T>::width;

  int64_t tasks() const { return c.n * c.bands; }
  // As many as the accumulators stay small beside the work: 4 MB in all.
  int64_t groups() const {
    const int64_t bytes = this->size() * static_cast<int64_t>(sizeof(T));
    int64_t most = bytes > 0 ? (4 << 20) / bytes : kGroups;
    most = most < 2 ? 2 : most > kGroups ? kGroups : most;
    return most < tasks() ? most : tasks();
  }
  int64_t band_pixels() const { return c.band * c.ow; }
  int64_t gradient_scratch() const { return panels.size(band_pixels()); }
  int64_t bytes() const {
    return (groups() * this->size() + width * (c.scratch_size() + gradient_scratch())) *
               static_cast<int64_t>(sizeof(T)) +
           width * c.band * static_cast<int64_t>(sizeof(Segment));
  }

  void add_band(int64_t i0, int64_t count, const T* band, const T* gradient, Segment* list, T* sums) const {
    for (int64_t p = 0; p < panels.count(); ++p) {
      TileArgs<T> t = this->tile(p, list, gradient + panels.offset(p, band_pixels()));
      for (int64_t tap = 0; tap < c.rows.count; ++tap) {
        t.count = 0;
        for (int64_t i = 0; i < count; ++i)
          if (c.reads(i0 + i, tap))
            list[t.count++] = {i * c.rows.stride * c.row_size, i * c.ow * panels.width(p), c.ow};
        if (t.count == 0) continue;
        for (int64_t cb = 0; cb < c.blocks; ++cb) this->add_tap(t, p, cb, tap, band + cb * c.plane, sums);
      }
    }
  }

  void run(const Conv2dArgs<T>& a, int64_t group) {
    const int64_t ci = a.ci / a.groups, co = a.co / a.groups;
    c.in = a.x + group * ci;
    const int64_t parts = groups(), size = this->size();
    T* sums = static_cast<T*>(a.workspace);
    T* scratch = sums + parts * size;
    T* gradients = scratch + width * c.scratch_size();
    Segment* segments = reinterpret_cast<Segment*>(gradients + width * gradient_scratch());
    const int64_t cost = c.n * c.oh * c.ow * co * c.depth / 8;
    const Pieces pieces(tasks(), tasks() > 0 ? (tasks() + parts - 1) / parts : 1);
    parallel_blocks(pieces.count, width, cost, [&](int64_t part, int worker) {
      T* mine = sums + part * size;
      for (int64_t i = 0; i < size; ++i) mine[i] = 0;
      T* band = scratch + worker * c.scratch_size();
      T* gradient = gradients + worker * gradient_scratch();
      for (int64_t task = pieces.begin(part); task < pieces.begin(part + 1); ++task) {
        const int64_t image = task / c.bands, i0 = c.band_begin(task % c.bands), count = c.band_size(task % c.bands);
        load_band(c, image, i0, count, band);
        const T* dy = a.dy + ((this->first_of(image) * a.oh + i0) * a.ow) * a.co + group * co;
        for (int64_t p = 0; p < panels.count(); ++p)
          this->load_panel(dy, image, a.co, p, count * c.ow, gradient + panels.offset(p, band_pixels()));
        add_band(i0, count, band, gradient, segments + worker * c.band, mine);
      }
    });
    this->write(a.weight_strides, sums, pieces.count, a.dweight + group * co * a.weight_strides.out);
  }
};

// Channel block by channel block, over whole images: for deep layers, whose sums would not stay in a core's cache
// while the few pixels of a band are added to them. A task owns the sums of its block, so there is one copy.
template <class T>
struct PlaneWeightGradient : WeightGradient<T> {
  static constexpr int64_t kPlaneBytes = 192 << 10;  // beside as much of dy and the sums in a core's L2
  using WeightGradient<T>::c, WeightGradient<T>::panels, WeightGradient<T>::width;
  int64_t images;  // side by side in scratch

  PlaneWeightGradient(const Conv2dArgs<T>& a) : WeightGradient<T>(a) {
    c.band = c.oh;
    c.bands = 1;
    c.plane = c.band_rows(c.oh) * c.row_size;
    const int64_t bytes = c.plane * static_cast<int64_t>(sizeof(T));
    images = bytes > 0 ? kPlaneBytes / bytes : 1;
    if (images > c.n) images = c.n;
    if (images < 1) images = 1;
  }
  // Beyond half a megabyte of sums; blocks enough for the threads; images that a plane holds.
  bool pays() const {
    const int64_t item = static_cast<int64_t>(sizeof(T));
    return this->size() * item > (512 << 10) && c.blocks >= 8 && c.n > 0 && c.plane * item <= 2 * kPlaneBytes &&
           c.depth > 0;
  }
  int64_t pixels() const { return images * c.oh * c.ow; }
  int64_t scratch() const { return (images * c.plane + 15) / 16 * 16; }
  int64_t segments() const { return images * c.oh; }
  int64_t bytes() const {
    return (this->size() + panels.size(pixels()) + width * scratch()) * static_cast<int64_t>(sizeof(T)) +
           width * segments() * static_cast<int64_t>(sizeof(Segment));
  }

  // The sums of channel block cb over `count` images, which lie in `planes`, their gradients in panels.
  void add_block(int64_t cb, int64_t count, bool first, const T* planes, const T* gradient, Segment* list,
                 T* sums) const {
    for (int64_t p = 0; p < panels.count(); ++p) {
      TileArgs<T> t = this->tile(p, list, gradient + panels.offset(p, pixels()));
      t.accumulate = !first;
      for (int64_t tap = 0; tap < c.rows.count; ++tap) {
        t.count = 0;
        for (int64_t image = 0; image < count; ++image)
          for (int64_t i = 0; i < c.oh; ++i)
            if (c.reads(i, tap))
              list[t.count++] = {image * c.plane + i * c.rows.stride * c.row_size,
                                 (image * c.oh + i) * c.ow * panels.width(p), c.ow};
        this->add_tap(t, p, cb, tap, planes, sums);
      }
    }
  }

  void run(const Conv2dArgs<T>& a, int64_t group) {
    const int64_t ci = a.ci / a.groups, co = a.co / a.groups;
    c.in = a.x + group * ci;
    T* sums = static_cast<T*>(a.workspace);
    T* gradient = sums + this->size();
    T* planes = gradient + panels.size(pixels());
    Segment* lists = reinterpret_cast<Segment*>(planes + width * scratch());
    for (int64_t image = 0; image < c.n; image += images) {
      const int64_t count = c.n - image < images ? c.n - image : images, some = count * c.oh * c.ow;
      const T* dy = a.dy + group * co;
      parallel_blocks(panels.count(), width, 2 * some * co * static_cast<int64_t>(sizeof(T)), [&](int64_t p, int) {
        T* to = gradient + panels.offset(p, pixels());
        for (int64_t i = image; i < image + count; ++i, to += c.oh * c.ow * panels.width(p))
          this->load_panel(dy + this->first_of(i) * c.oh * c.ow * a.co, i, a.co, p, c.oh * c.ow, to);
      });
      parallel_blocks(c.blocks, width, some * co * c.depth / 8, [&](int64_t cb, int worker) {
        T* mine = planes + worker * scratch();
        for (int64_t i = 0; i < count; ++i) load_blocks(c, image + i, 0, c.oh, cb, cb + 1, mine + i * c.plane);
        add_block(cb, count, image == 0, mine, gradient, lists + worker * segments(), sums);
      });
    }
    this->write(a.weight_strides, sums, 1, a.dweight + group * co * a.weight_strides.out);
  }
};

}  // namespace fastnn::FASTNN_ISA
