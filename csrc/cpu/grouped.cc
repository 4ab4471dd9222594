// A vector of channels holds several groups. In scratch its lanes are sorted by their place in the group: channel
// k of each group side by side. One step of the reduction repeats those few values over a vector and multiplies
// them by a vector of weights whose lanes are sorted likewise: no lane is idle.
#include "cpu/grouped.h"

#include "core/vec_shuffle.h"
#include "cpu/conv_correlations.h"
#include "cpu/gemm.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T, int kGroup>
inline constexpr int kTogether = kLanes<T> / kGroup;  // groups of a vector

// From channels to lanes sorted by their place in the group, and back.
template <class T, int kGroup, int... I>
FASTNN_INLINE Vec<T> sorted(Vec<T> v, Lanes<I...>) {
  return __builtin_shufflevector(v, v, (I % kTogether<T, kGroup> * kGroup + I / kTogether<T, kGroup>)...);
}
template <class T, int kGroup>
FASTNN_INLINE Vec<T> sort_lanes(Vec<T> v) {
  return sorted<T, kGroup>(v, typename FirstLanes<kLanes<T>>::type{});
}
template <class T, int kGroup>
FASTNN_INLINE Vec<T> unsort_lanes(Vec<T> v) {
  return sort_lanes<T, kTogether<T, kGroup>>(v);
}

// c[p][:] = sum over segments, sum over k of a[p * row + k * a_step] repeated * b[k * kLanes][:]: rows are pixels
// and c is the output, or they are rows of the weights and the sum is added to c.
template <class T>
struct GroupTile {
  const T* a;
  int64_t a_step;
  const Segment* segments;
  int64_t count;
  const T* b;
  T* c;
  int64_t c_row;
};

// Four accumulators hide the latency; the more, the fewer loads of b.
constexpr int kGroupRows = 12;

template <class T, int kGroup, bool kPixels, int P>
void group_tile(const GroupTile<T>& t) {
  constexpr int64_t kRow = kPixels ? kLanes<T> : kTogether<T, kGroup>;
  Vec<T> acc[P];
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p) acc[p] = kPixels ? Vec<T>{} : load(t.c + p * t.c_row);
  for (int64_t s = 0; s < t.count; ++s) {
    const Segment& segment = t.segments[s];
    const T* a = t.a + segment.a;
    const T* b = t.b + segment.b;
    for (int64_t k = 0; k < segment.run; ++k) {
      const Vec<T> bv = load(b);
#pragma GCC unroll 12
      for (int p = 0; p < P; ++p) acc[p] = fma(repeat<T, kTogether<T, kGroup>>(a + p * kRow), bv, acc[p]);
      a += t.a_step;
      b += kLanes<T>;
    }
  }
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p) store(t.c + p * t.c_row, kPixels ? unsort_lanes<T, kGroup>(acc[p]) : acc[p]);
}

template <class T>
using GroupTileFn = void (*)(const GroupTile<T>&);

template <class T, int kGroup, bool kPixels, int P = 1>
GroupTileFn<T> group_tile_for(int64_t rows) {
  if constexpr (P < kGroupRows)
    if (rows > P) return group_tile_for<T, kGroup, kPixels, P + 1>(rows);
  return group_tile<T, kGroup, kPixels, P>;
}

template <class T, int kGroup>
struct Grouped {
  static constexpr int64_t kL = kLanes<T>, kBytes = sizeof(T), kStep = kTogether<T, kGroup>;
  const Conv2dArgs<T>& a;

  int64_t strips() const { return a.ci / kL; }

  // The input rows that output rows [i0, i0 + count) read, sorted; columns of padding are zero.
  static void load_sorted(const Correlation<T>& c, const T* in, int64_t i0, int64_t count, T* scratch) {
    const int64_t row0 = i0 * c.rows.stride + c.rows.lowest(), stride = c.cols.stride;
    for (int64_t r = 0; r < c.band_rows(count); ++r) {
      const int64_t row = row0 + r;
      if (row < 0 || row >= c.ih) continue;                       // its taps are skipped
      if (c.rows.count == 1 && r % c.rows.stride != 0) continue;  // no tap reads it
      for (int64_t slot = 0; slot < c.slots; ++slot) {
        T* dst = scratch + r * c.row_size + slot * c.slot_width * kL;
        int64_t col = c.slot_phase(slot) + c.cols.lowest();
        for (int64_t j = 0; j < c.slot_width; ++j, col += stride, dst += kL)
          store(dst,
                col >= 0 && col < c.iw ? sort_lanes<T, kGroup>(load(in + (row * c.iw + col) * c.in_pixel)) : Vec<T>{});
      }
    }
  }

  // ---- forward and input gradient ----

  int64_t correlation_bytes(const Correlation<T>& c) const {
    return (strips() * c.depth * kL + a.width * c.plane) * kBytes +
           a.width * c.segment_capacity() * static_cast<int64_t>(sizeof(Segment));
  }

  // Vectors of weights [strip][row of the reduction], their lanes sorted.
  void pack(const Correlation<T>& c, const WeightStrides& s, T* packed) const {
    parallel_blocks(strips(), a.width, 8 * c.depth * a.ci * kBytes, [&](int64_t strip, int) {
      const T* src = a.weight + strip * kL * a.weight_strides.out;
      T* dst = packed + strip * c.depth * kL;
      for_weight_rows(c, s, 0, [&](int64_t row, int64_t offset, int64_t) {
        for (int64_t l = 0; l < kL; ++l)
          dst[row * kL + l] = src[offset + l % kStep * kGroup * a.weight_strides.out + l / kStep * s.out];
      });
    });
  }

  void correlate(Correlation<T> c, const WeightStrides& s, const OutputGrid<T>& out, const Epilogue<T>& e) const {
    T* packed = static_cast<T*>(a.workspace);
    T* scratch = packed + strips() * c.depth * kL;
    Segment* segments = reinterpret_cast<Segment*>(scratch + a.width * c.plane);
    pack(c, s, packed);
    const int64_t cost = c.n * c.oh * c.ow * a.ci * (c.depth + 8) / 8 * kBytes;
    parallel_blocks(c.n * c.bands * strips(), a.width, cost, [&](int64_t task, int worker) {
      const int64_t strip = task % strips(), b = task / strips() % c.bands, image = task / (strips() * c.bands);
      const int64_t i0 = c.band_begin(b), count = c.band_size(b);
      T* band = scratch + worker * c.plane;
      Segment* list = segments + worker * c.segment_capacity();
      if (c.depth > 0) load_sorted(c, c.in + image * c.ih * c.iw * a.ci + strip * kL, i0, count, band);
      Epilogue<T> mine = e;
      if (e.bias) mine.bias += strip * kL;
      GroupTile<T> t{};
      t.a_step = kStep;
      t.segments = list;
      t.b = packed + strip * c.depth * kL;
      t.c_row = out.col;
      const Pieces tiles(c.ow, kGroupRows);
      for (int64_t i = 0; i < count; ++i) {
        int64_t first, last;
        c.valid_rows(i0 + i, &first, &last);
        t.count = list_segments(c, 0, c.blocks, first, last, kL, list);
        T* row = out.data + image * out.image + (i0 + i) * out.row + strip * kL;
        for (int64_t k = 0; k < tiles.count; ++k) {
          t.a = band + i * c.rows.stride * c.row_size + tiles.begin(k) * kL;
          t.c = row + tiles.begin(k) * out.col;
          group_tile_for<T, kGroup, true>(tiles.size(k))(t);
        }
        finish_rows(row, out.col, c.ow, kL, mine);
      }
    });
  }

  Correlation<T> forward_pass() const { return forward_correlation(a, kStep); }
  int64_t forward_bytes() const { return correlation_bytes(forward_pass()); }
  void forward() const {
    correlate(forward_pass(), a.weight_strides, {a.y, a.oh * a.ow * a.co, a.ow * a.co, a.co, a.co},
              {a.bias, a.activation, a.activation_parameter, a.activation_parameter});
  }

  int64_t input_gradient_bytes() const {
    int64_t most = 0;
    for_phases(a, [&](int64_t h, int64_t w) {
      const int64_t bytes = correlation_bytes(gradient_correlation(a, h, w, kStep));
      if (bytes > most) most = bytes;
    });
    return most;
  }
  void input_gradient() const {
    const WeightStrides& s = a.weight_strides;
    for_phases(a, [&](int64_t h, int64_t w) {
      correlate(gradient_correlation(a, h, w, kStep), {s.in, s.out, s.kh, s.kw},
                {a.dx + (h * a.iw + w) * a.ci, a.ih * a.iw * a.ci, a.stride_h * a.iw * a.ci, a.stride_w * a.ci, a.ci},
                {a.bias});
    });
  }

  // ---- weight gradient ----

  // Bands of a strip are dealt to at most kParts parts, which are summed in order.
  static constexpr int64_t kParts = 8;
  static int64_t parts(const Correlation<T>& c) { return c.n * c.bands < kParts ? c.n * c.bands : kParts; }
  static int64_t band_gradient(const Correlation<T>& c) { return c.band * c.ow * kL; }
  int64_t weight_gradient_bytes() const {
    const Correlation<T> c = forward_pass();
    return (strips() * parts(c) * c.depth * kL + a.width * (c.plane + band_gradient(c))) * kBytes +
           a.width * c.band * static_cast<int64_t>(sizeof(Segment));
  }

  static void add_band(const Correlation<T>& c, int64_t i0, int64_t count, const T* band, const T* gradient,
                       Segment* list, T* sums) {
    GroupTile<T> t{};
    t.a_step = kL;
    t.segments = list;
    t.b = gradient;
    t.c_row = kL;
    for (int64_t tap = 0; tap < c.rows.count; ++tap) {
      t.count = 0;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t row = (i0 + i) * c.rows.stride + c.rows.first + tap * c.rows.step;
        if (row >= 0 && row < c.ih) list[t.count++] = {i * c.rows.stride * c.row_size, i * c.ow * kL, c.ow};
      }
      for (int64_t g = 0; g < c.groups; ++g) {
        // A run of taps is one stretch of rows of the weights.
        const Pieces pieces(c.group_size(g) * kGroup, kGroupRows);
        for (int64_t k = 0; k < pieces.count; ++k) {
          t.a = band + tap * c.rows.step * c.row_size + c.tap_offset(g) + pieces.begin(k) * kStep;
          t.c = sums + (c.weight_row(0, tap, g) + pieces.begin(k)) * kL;
          group_tile_for<T, kGroup, false>(pieces.size(k))(t);
        }
      }
    }
  }

  void weight_gradient() const {
    const Correlation<T> c = forward_pass();
    const int64_t size = c.depth * kL, count = parts(c), bands = c.n * c.bands;
    T* sums = static_cast<T*>(a.workspace);
    T* scratch = sums + strips() * count * size;
    T* gradients = scratch + a.width * c.plane;
    Segment* segments = reinterpret_cast<Segment*>(gradients + a.width * band_gradient(c));
    const int64_t cost = c.n * c.oh * c.ow * a.ci * (c.depth + 8) / 8 * kBytes;
    parallel_blocks(strips() * count, a.width, cost, [&](int64_t task, int worker) {
      const int64_t part = task / strips(), strip = task % strips();
      T* mine = sums + (strip * count + part) * size;
      for (int64_t i = 0; i < size; ++i) mine[i] = 0;
      T* band = scratch + worker * c.plane;
      T* gradient = gradients + worker * band_gradient(c);
      for (int64_t b = bands * part / count; b < bands * (part + 1) / count; ++b) {
        const int64_t image = b / c.bands, i0 = c.band_begin(b % c.bands), rows = c.band_size(b % c.bands);
        load_sorted(c, c.in + image * c.ih * c.iw * a.ci + strip * kL, i0, rows, band);
        const T* dy = a.dy + (image * a.oh + i0) * a.ow * a.co + strip * kL;
        for (int64_t i = 0; i < rows * a.ow; ++i) store(gradient + i * kL, sort_lanes<T, kGroup>(load(dy + i * a.co)));
        add_band(c, i0, rows, band, gradient, segments + worker * c.band, mine);
      }
    });
    for (int64_t strip = 0; strip < strips(); ++strip) {
      T* dw = a.dweight + strip * kL * a.weight_strides.out;
      for_weight_rows(c, a.weight_strides, 0, [&](int64_t row, int64_t offset, int64_t) {
        Vec<T> total{};
        for (int64_t part = 0; part < count; ++part)
          total = total + load(sums + (strip * count + part) * size + row * kL);
        for (int64_t l = 0; l < kL; ++l)
          dw[offset + (l % kStep * kGroup + l / kStep) * a.weight_strides.out] = total[l];
      });
    }
  }
};

template <class T, class F>
auto with_group(const Conv2dArgs<T>& a, const F& f) {
  const int64_t size = a.ci / a.groups;
  if constexpr (kLanes<T> > 8)
    if (size == 8) return f(Grouped<T, 8>{a});
  if constexpr (kLanes<T> > 4)
    if (size == 4) return f(Grouped<T, 4>{a});
  return f(Grouped<T, 2>{a});
}

}  // namespace

#define FASTNN_GROUPED(T)                                                          \
  template <>                                                                      \
  int64_t grouped_forward_workspace<T>(const Conv2dArgs<T>& a) {                   \
    return with_group(a, [](const auto& g) { return g.forward_bytes(); });         \
  }                                                                                \
  template <>                                                                      \
  int64_t grouped_input_gradient_workspace<T>(const Conv2dArgs<T>& a) {            \
    return with_group(a, [](const auto& g) { return g.input_gradient_bytes(); });  \
  }                                                                                \
  template <>                                                                      \
  int64_t grouped_weight_gradient_workspace<T>(const Conv2dArgs<T>& a) {           \
    return with_group(a, [](const auto& g) { return g.weight_gradient_bytes(); }); \
  }                                                                                \
  template <>                                                                      \
  void grouped_forward<T>(const Conv2dArgs<T>& a) {                                \
    with_group(a, [](const auto& g) { g.forward(); });                             \
  }                                                                                \
  template <>                                                                      \
  void grouped_input_gradient<T>(const Conv2dArgs<T>& a) {                         \
    with_group(a, [](const auto& g) { g.input_gradient(); });                      \
  }                                                                                \
  template <>                                                                      \
  void grouped_weight_gradient<T>(const Conv2dArgs<T>& a) {                        \
    with_group(a, [](const auto& g) { g.weight_gradient(); });                     \
  }
FASTNN_GROUPED(float)
FASTNN_GROUPED(double)

}  // namespace fastnn::FASTNN_ISA
