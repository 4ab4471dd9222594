#include "ops/conv2d.h"

#include "core/parallel.h"
#include "cpu/correlation.h"
#include "cpu/depthwise.h"
#include "cpu/pointwise.h"

namespace fastnn::FASTNN_ISA {
namespace {

int64_t gcd(int64_t a, int64_t b) {
  while (b) {
    const int64_t r = a % b;
    a = b;
    b = r;
  }
  return a;
}

// Room for the packed weights, each worker's band and its segments.
template <class T>
int64_t correlation_bytes(const Correlation<T>& c, int64_t co, int width) {
  return (Panels<T>{co}.size(c.depth) + width * c.scratch_size()) * static_cast<int64_t>(sizeof(T)) +
         width * c.segment_capacity() * static_cast<int64_t>(sizeof(Segment));
}

template <class T>
void run_correlation(const Correlation<T>& c, const WeightStrides& strides, const T* weight, const OutputGrid<T>& out,
                     const Epilogue<T>& epilogue, void* workspace, int width) {
  T* packed = static_cast<T*>(workspace);
  T* scratch = packed + Panels<T>{out.co}.size(c.depth);
  Segment* segments = reinterpret_cast<Segment*>(scratch + width * c.scratch_size());
  pack_weights(c, strides, weight, out.co, packed, width);
  correlate(c, packed, out, epilogue, scratch, segments, width);
}

// ---- forward ----

template <class T>
Correlation<T> forward_correlation(const Conv2dArgs<T>& a) {
  Correlation<T> c{};
  c.in = a.x;
  c.n = a.n, c.ih = a.ih, c.iw = a.iw, c.ci = a.ci / a.groups, c.in_pixel = a.ci;
  c.oh = a.oh, c.ow = a.ow;
  c.rows = {a.kh, -a.pad_top, a.dilation_h, a.stride_h, 0, 1};
  c.cols = {a.kw, -a.pad_left, a.dilation_w, a.stride_w, 0, 1};
  c.plan();
  return c;
}

template <class T>
void forward(const Conv2dArgs<T>& a) {
  const int64_t ci = a.ci / a.groups, co = a.co / a.groups;
  Correlation<T> c = forward_correlation(a);
  for (int64_t g = 0; g < a.groups; ++g) {
    c.in = a.x + g * ci;
    const OutputGrid<T> out{a.y + g * co, a.oh * a.ow * a.co, a.ow * a.co, a.co, co};
    const Epilogue<T> e{a.bias ? a.bias + g * co : nullptr, a.activation, a.activation_parameter,
                        a.activation_parameter};
    run_correlation(c, a.weight_strides, a.weight + g * co * a.weight_strides.out, out, e, a.workspace, a.width);
  }
}

// ---- input gradient ----

// Input position phase + stride * i receives from output position i + first + m * step through the
// kernel indices kernel_first + m * kernel_step: those with (phase + pad - index * dilation) divisible
// by the stride.
Taps gradient_taps(int64_t phase, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad) {
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
Correlation<T> gradient_correlation(const Conv2dArgs<T>& a, int64_t phase_h, int64_t phase_w) {
  Correlation<T> c{};
  c.in = a.dy;
  c.n = a.n, c.ih = a.oh, c.iw = a.ow, c.ci = a.co / a.groups, c.in_pixel = a.co;
  c.oh = (a.ih - phase_h + a.stride_h - 1) / a.stride_h;
  c.ow = (a.iw - phase_w + a.stride_w - 1) / a.stride_w;
  c.rows = gradient_taps(phase_h, a.kh, a.stride_h, a.dilation_h, a.pad_top);
  c.cols = gradient_taps(phase_w, a.kw, a.stride_w, a.dilation_w, a.pad_left);
  if (c.rows.count == 0 || c.cols.count == 0) {
    c.rows = {0, 0, 1, 1, 0, 1};
    c.cols = {0, 0, 1, 1, 0, 1};
  }
  c.plan();
  return c;
}

template <class T, class F>
void for_phases(const Conv2dArgs<T>& a, const F& f) {
  for (int64_t h = 0; h < a.stride_h && h < a.ih; ++h)
    for (int64_t w = 0; w < a.stride_w && w < a.iw; ++w) f(h, w);
}

template <class T>
int64_t input_gradient_bytes(const Conv2dArgs<T>& a) {
  int64_t most = 0;
  for_phases(a, [&](int64_t h, int64_t w) {
    const int64_t bytes = correlation_bytes(gradient_correlation(a, h, w), a.ci / a.groups, a.width);
    if (bytes > most) most = bytes;
  });
  return most;
}

template <class T>
void input_gradient(const Conv2dArgs<T>& a) {
  const int64_t ci = a.ci / a.groups, co = a.co / a.groups;
  // The gradient reads the output's channels and writes the input's.
  const WeightStrides turned{a.weight_strides.in, a.weight_strides.out, a.weight_strides.kh, a.weight_strides.kw};
  for_phases(a, [&](int64_t h, int64_t w) {
    Correlation<T> c = gradient_correlation(a, h, w);
    for (int64_t g = 0; g < a.groups; ++g) {
      c.in = a.dy + g * co;
      const OutputGrid<T> out{a.dx + (h * a.iw + w) * a.ci + g * ci, a.ih * a.iw * a.ci, a.stride_h * a.iw * a.ci,
                              a.stride_w * a.ci, ci};
      run_correlation(c, turned, a.weight + g * co * a.weight_strides.out, out, Epilogue<T>{}, a.workspace, a.width);
    }
  });
}

// ---- weight gradient ----

// Bands are dealt to at most kGroups groups by their number, each group sums into an accumulator of
// its own in order, and the accumulators are added in order: the thread count changes nothing.
template <class T>
struct WeightGradient {
  static constexpr int64_t kGroups = 8;
  Correlation<T> c;
  Panels<T> panels;
  int width;

  WeightGradient(const Conv2dArgs<T>& a) : c(forward_correlation(a)), panels{a.co / a.groups}, width(a.width) {}

  int64_t tasks() const { return c.n * c.bands; }
  // As many as the accumulators stay small beside the work: 4 MB in all.
  int64_t groups() const {
    const int64_t bytes = accumulator() * static_cast<int64_t>(sizeof(T));
    int64_t most = bytes > 0 ? (4 << 20) / bytes : kGroups;
    most = most < 2 ? 2 : most > kGroups ? kGroups : most;
    return most < tasks() ? most : tasks();
  }
  int64_t accumulator() const { return panels.size(c.depth); }
  int64_t band_pixels() const { return c.band * c.ow; }
  int64_t gradient_scratch() const { return panels.size(band_pixels()); }
  int64_t bytes() const {
    return (groups() * accumulator() + width * (c.scratch_size() + gradient_scratch())) *
               static_cast<int64_t>(sizeof(T)) +
           width * c.band * static_cast<int64_t>(sizeof(Segment));
  }

  // The band of dy in panels [pixel][panel width], columns beyond the matrix zero.
  void load_gradient(const T* dy, int64_t pixel, int64_t pixels, T* dst) const {
    constexpr int64_t kL = kLanes<T>;
    for (int64_t p = 0; p < panels.count(); ++p) {
      T* panel = dst + panels.offset(p, band_pixels());
      const int64_t columns = panels.width(p), valid = panels.valid(p);
      for (int64_t i = 0; i < pixels; ++i) {
        const T* src = dy + i * pixel + p * Panels<T>::kWide;
        for (int64_t j = 0; j < columns; j += kL) {
          const int64_t left = valid - j;
          store(panel + i * columns + j, left >= kL ? load(src + j) : load_n(src + j, left > 0 ? left : 0));
        }
      }
    }
  }

  void add_band(int64_t i0, int64_t count, const T* band, const T* gradient, Segment* list, T* sums) const {
    const int64_t lowest = c.rows.lowest();
    for (int64_t p = 0; p < panels.count(); ++p) {
      const int64_t columns = panels.width(p);
      TileArgs<T> t{};
      t.a_step = c.block;
      t.segments = list;
      t.b = gradient + panels.offset(p, band_pixels());
      t.c_row = columns;
      t.cols = columns;
      t.accumulate = true;
      for (int64_t tap = 0; tap < c.rows.count; ++tap) {
        t.count = 0;
        for (int64_t i = 0; i < count; ++i) {
          const int64_t row = (i0 + i) * c.rows.stride + c.rows.first + tap * c.rows.step;
          if (row >= 0 && row < c.ih) list[t.count++] = {i * c.rows.stride * c.row_size, i * c.ow * columns, c.ow};
        }
        if (t.count == 0) continue;
        for (int64_t cb = 0; cb < c.blocks; ++cb) {
          const int64_t channels = c.block_channels(cb);
          const T* a = band + cb * c.plane + (c.rows.first + tap * c.rows.step - lowest) * c.row_size;
          for (int64_t g = 0; g < c.groups; ++g) {
            // A run of taps is one stretch of rows of the packed weights, if the channels touch.
            const int64_t size = c.group_size(g), row = c.weight_row(cb, tap, g);
            const int64_t stretch = channels == c.block ? size * channels : channels;
            for (int64_t m = 0; m * stretch < size * channels; ++m) {
              const Pieces pieces(stretch, kMaxRows[panels.vectors(p)]);
              for (int64_t k = 0; k < pieces.count; ++k) {
                t.a = a + c.tap_offset(g) + m * c.block + pieces.begin(k);
                t.c = sums + panels.offset(p, c.depth) + (row + m * stretch + pieces.begin(k)) * columns;
                tile_for<T>(Walk::transposed, pieces.size(k), panels.vectors(p))(t);
              }
            }
          }
        }
      }
    }
  }

  void run(const Conv2dArgs<T>& a, int64_t group) {
    const int64_t ci = a.ci / a.groups, co = a.co / a.groups;
    c.in = a.x + group * ci;
    const int64_t parts = groups(), size = accumulator();
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
        load_gradient(a.dy + ((image * a.oh + i0) * a.ow) * a.co + group * co, a.co, count * c.ow, gradient);
        add_band(i0, count, band, gradient, segments + worker * c.band, mine);
      }
    });
    const WeightStrides& strides = a.weight_strides;
    T* dw = a.dweight + group * co * strides.out;
    parallel_blocks(panels.count() * c.blocks, width, 4 * pieces.count * size * static_cast<int64_t>(sizeof(T)),
                    [&](int64_t i, int) {
                      const int64_t p = i / c.blocks, columns = panels.width(p), valid = panels.valid(p);
                      T* dst = dw + p * Panels<T>::kWide * strides.out;
                      const T* src = sums + panels.offset(p, c.depth);
                      for_weight_rows(c, strides, i % c.blocks, [&](int64_t row, int64_t offset) {
                        for (int64_t j = 0; j < valid; ++j) {
                          T total = 0;
                          for (int64_t part = 0; part < pieces.count; ++part)
                            total += src[part * size + row * columns + j];
                          dst[offset + j * strides.out] = total;
                        }
                      });
                    });
  }
};

template <class T>
void weight_gradient(const Conv2dArgs<T>& a) {
  WeightGradient<T> gradient(a);
  for (int64_t g = 0; g < a.groups; ++g) gradient.run(a, g);
}

}  // namespace

#define FASTNN_CONV2D(T)                                                                      \
  int64_t conv2d_forward_workspace(const Conv2dArgs<T>& a) {                                  \
    if (is_pointwise(a)) return Pointwise<T>{a}.forward().workspace();                        \
    if (is_depthwise(a)) return Depthwise<T>{a}.forward_bytes();                              \
    return correlation_bytes(forward_correlation(a), a.co / a.groups, a.width);               \
  }                                                                                           \
  int64_t conv2d_input_gradient_workspace(const Conv2dArgs<T>& a) {                           \
    if (is_pointwise(a)) return Pointwise<T>{a}.input_gradient().workspace();                 \
    return is_depthwise(a) ? Depthwise<T>{a}.forward_bytes() : input_gradient_bytes(a);       \
  }                                                                                           \
  int64_t conv2d_weight_gradient_workspace(const Conv2dArgs<T>& a) {                          \
    if (is_pointwise(a)) return Pointwise<T>{a}.weight_gradient().workspace();                \
    return is_depthwise(a) ? Depthwise<T>{a}.gradient_bytes() : WeightGradient<T>(a).bytes(); \
  }                                                                                           \
  void conv2d_forward(const Conv2dArgs<T>& a) {                                               \
    if (is_pointwise(a)) return Pointwise<T>{a}.forward().run(a.workspace);                   \
    is_depthwise(a) ? Depthwise<T>{a}.forward() : forward(a);                                 \
  }                                                                                           \
  void conv2d_input_gradient(const Conv2dArgs<T>& a) {                                        \
    if (is_pointwise(a)) return Pointwise<T>{a}.input_gradient().run(a.workspace);            \
    is_depthwise(a) ? Depthwise<T>{a}.input_gradient() : input_gradient(a);                   \
  }                                                                                           \
  void conv2d_weight_gradient(const Conv2dArgs<T>& a) {                                       \
    if (is_pointwise(a)) return Pointwise<T>{a}.weight_gradient().run(a.workspace);           \
    is_depthwise(a) ? Depthwise<T>{a}.weight_gradient() : weight_gradient(a);                 \
  }
FASTNN_CONV2D(float)
FASTNN_CONV2D(double)

}  // namespace fastnn::FASTNN_ISA
