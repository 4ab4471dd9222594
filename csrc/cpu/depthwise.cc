#include "cpu/depthwise.h"

#include "core/parallel.h"
#include "cpu/correlation.h"
#include "cpu/depthwise_planes.h"
#include "cpu/depthwise_row.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
struct Images {
  T* data;
  int64_t rows, cols;
};

// Activations other than relu, on finished pixels: once, not in each of the rows.
template <class T>
__attribute__((noinline)) void activate_rows(const DepthwiseRow<T>& r, Activation activation, T parameter) {
  for (int64_t o = 0; o <= r.out_row; o += r.out_row > 0 ? r.out_row : 1)
    for (int64_t q = 0; q < r.ow; ++q) {
      T* p = r.out + o + q * r.out_pixel;
      store_n(p, activate_any<T>(activation, load_n(p, r.lanes), parameter, parameter), r.lanes);
    }
}

template <class T>
struct Sweep {
  static constexpr int64_t kW = kLanes<T>;
  const Conv2dArgs<T>& a;
  bool gradient;
  Images<const T> in;
  Images<T> out;

  Sweep(const Conv2dArgs<T>& args, bool turned) : a(args), gradient(turned) {
    const Images<const T> x{gradient ? a.dy : a.x, gradient ? a.oh : a.ih, gradient ? a.ow : a.iw};
    const Images<T> y{gradient ? a.dx : a.y, gradient ? a.ih : a.oh, gradient ? a.iw : a.ow};
    in = x;
    out = y;
  }

  int64_t channels() const { return a.ci; }
  int64_t vectors() const { return (channels() + kW - 1) / kW; }
  int64_t taps() const { return a.kh * a.kw; }
  int64_t bytes() const {
    return (vectors() * (taps() + 1) * kW + a.width * scratch_size()) * static_cast<int64_t>(sizeof(T));
  }

  // Weights as [vector][kh][kw][lane], then the bias, lanes beyond the channels zero.
  void pack(T* w) const {
    T* bias = w + vectors() * taps() * kW;
    parallel_blocks(vectors(), a.width, 8 * channels() * taps(), [&](int64_t v, int) {
      for (int64_t l = 0; l < kW; ++l) {
        const int64_t c = v * kW + l;
        const bool valid = c < channels();
        const T* src = a.weight + c * a.weight_strides.out;
        T* dst = w + v * taps() * kW + l;
        for (int64_t i = 0; i < a.kh; ++i)
          for (int64_t j = 0; j < a.kw; ++j, dst += kW)
            *dst = valid ? src[i * a.weight_strides.kh + j * a.weight_strides.kw] : 0;
        bias[c] = valid && a.bias ? a.bias[c] : 0;
      }
    });
  }

  // Outputs of one phase read through these taps; the forward pass has one phase.
  Taps row_taps(int64_t phase) const {
    if (gradient) return gradient_taps(phase, a.kh, a.stride_h, a.dilation_h, a.pad_top).ascending();
    return {a.kh, -a.pad_top, a.dilation_h, a.stride_h, 0, 1};
  }
  Taps col_taps(int64_t phase) const {
    if (gradient) return gradient_taps(phase, a.kw, a.stride_w, a.dilation_w, a.pad_left).ascending();
    return {a.kw, -a.pad_left, a.dilation_w, a.stride_w, 0, 1};
  }

  // A 3x3 filter computes two rows at once.
  bool in_pairs() const {
    return sizeof(T) == 4 && a.kh == 3 && a.kw == 3 && a.dilation_h == 1 && a.dilation_w == 1 &&
           a.stride_h == a.stride_w && a.stride_h <= (gradient ? 1 : 2);
  }
  DepthwiseRowFn<T> kernel(const DepthwiseRow<T>& r, bool whole) const {
    if (in_pairs()) return whole ? depthwise_pair_for<T, true>(r.stride) : depthwise_pair_for<T, false>(r.stride);
    return whole ? depthwise_row_for<T, true>(r.taps, r.step, r.stride)
                 : depthwise_row_for<T, false>(r.taps, r.step, r.stride);
  }

  // ---- how the work is cut ----
  int64_t down() const { return gradient ? a.stride_h : 1; }
  int64_t across() const { return gradient ? a.stride_w : 1; }
  int64_t unit() const { return in_pairs() ? 2 : down(); }
  // Input rows that `rows` output rows read.
  int64_t span(int64_t rows) const {
    const int64_t reach = (a.kh - 1) * a.dilation_h;
    return gradient ? (rows - 1 + reach) / a.stride_h + 1 : (rows - 1) * a.stride_h + reach + 1;
  }
  static constexpr int64_t kPlaneBytes = 384 << 10;
  bool compact() const { return wants_planes<T>(channels()); }
  // The first input row that output rows from h on read, and the one after the last that those before h read.
  int64_t first_read(int64_t h) const {
    const int64_t reach = (a.kh - 1) * a.dilation_h;
    const int64_t row = gradient ? (h + a.pad_top - reach + a.stride_h * reach + a.stride_h - 1) / a.stride_h - reach
                                 : h * a.stride_h - a.pad_top;
    return row < 0 ? 0 : row < in.rows ? row : in.rows;
  }
  int64_t past_read(int64_t h) const {
    const int64_t reach = (a.kh - 1) * a.dilation_h;
    const int64_t row = gradient ? (h - 1 + a.pad_top) / a.stride_h + 1 : (h - 1) * a.stride_h - a.pad_top + reach + 1;
    return row < 0 ? 0 : row < in.rows ? row : in.rows;
  }
  int64_t plane(int64_t rows) const { return plane_size<T>((span(rows) < in.rows ? span(rows) : in.rows) * in.cols); }

  // A task is a band of rows of an image and a strip of vectors of channels.
  struct Cut {
    int64_t rows, vectors;
  };
  Cut cut() const {
    const int64_t bands = a.n > 0 ? (32 + a.n - 1) / a.n : 1, rows = (out.rows + bands - 1) / bands;
    Cut c{(rows + unit() - 1) / unit() * unit(), vectors()};
    if (compact()) {
      // Planes of some rows with all channels in L2; where there are few images, of fewer channels.
      const int64_t most = kPlaneBytes / static_cast<int64_t>(sizeof(T));
      c.rows = unit();
      if (a.n < 16) c.vectors = a.n * vectors() > 64 ? 16 : (vectors() + 3) / 4;
      while (c.rows < out.rows && plane(c.rows + unit()) * c.vectors <= most) c.rows += unit();
    } else if (a.n * ((out.rows + c.rows - 1) / c.rows) < 16) {
      c.vectors = (vectors() + 3) / 4;
    }
    return c;
  }
  int64_t scratch_size() const { return compact() ? plane(cut().rows) * cut().vectors : 0; }

  void run_band(int64_t image, int64_t begin_row, int64_t end_row, int64_t begin, int64_t end, const T* w, T* scratch,
                bool streaming) const {
    const T* array = in.data + image * in.rows * in.cols * channels() + begin * kW;
    Source from{array, channels(), kW, array - begin * kW};
    int64_t copied = in.rows;
    for (int64_t h = begin_row; h < end_row; h += in_pairs() ? 2 : 1) {
      const int64_t lowest = first_read(begin_row), last = h + (in_pairs() ? 2 : 1);
      if (compact()) {
        // The rows that this one adds, as its predecessor asked for them ahead.
        const int64_t size = plane(end_row - begin_row), needed = past_read(last < end_row ? last : end_row);
        if (h == begin_row) copied = lowest;
        for (; copied < needed; ++copied)
          copy_planes(array + copied * in.cols * channels(), channels(), in.cols, end - begin, size,
                      scratch + (copied - lowest) * in.cols * kW);
        from = {scratch - lowest * in.cols * kW, kW, size, from.array};
      }
      run_row(image, h, h + 1 < end_row, begin, end, from, w, streaming);
    }
  }

  // Row 0 and vector `begin` of an image, in the array or in scratch.
  struct Source {
    const T* data;
    int64_t pixel, vector;  // elements between
    const T* array;         // row 0 of the image in the array
  };

  // Vectors [begin, end) of row h of an image; of the next one too if the rows go in pairs and there is one.
  void run_row(int64_t image, int64_t h, bool next, int64_t begin, int64_t end, const Source& from, const T* w,
               bool streaming) const {
    const int64_t count = in_pairs() && next ? 2 : 1;
    const Taps rows = row_taps(h % down());
    const int64_t in_row = in.cols * from.pixel, top = h / down() * rows.stride + rows.first;
    const int64_t read = rows.count + (count - 1) * rows.stride;
    int64_t first = 0, last = read;
    while (first < last && top + first * rows.step < 0) ++first;
    while (last > first && top + (last - 1) * rows.step >= in.rows) --last;
    for (int64_t phase = 0; phase < across() && phase < out.cols; ++phase) {
      const Taps cols = col_taps(phase);
      DepthwiseRow<T> r{};
      r.in_end = in.data + a.n * in.rows * in.cols * channels();
      r.in_row = rows.step * in_row;
      r.in_pixel = from.pixel;
      r.iw = in.cols;
      r.rows_begin = first;
      r.rows = cols.count > 0 ? last : first;
      r.taps = cols.count;
      r.first = cols.first, r.step = cols.step, r.stride = cols.stride;
      r.w_row = rows.kernel_step * a.kw * kW;
      r.w_col = cols.kernel_step * kW;
      r.relu = !gradient && a.activation == Activation::relu;
      r.streaming = streaming;
      r.out_pixel = across() * channels();
      r.out_row = count == 2 ? out.cols * channels() : 0;
      r.ow = (out.cols - phase + across() - 1) / across();
      r.ahead_lines = count * rows.stride * cols.stride;
      const T* src = from.data + top * in_row;
      // The rows that the next output row adds, in portions.
      const bool reads_ahead = h % down() == 0 && phase == 0;
      const T* ahead = from.array + (top + (read - 1) * rows.step + 1) * in.cols * channels();
      const int64_t ahead_vector = r.ow * r.ahead_lines * (64 / static_cast<int64_t>(sizeof(T)));
      const int64_t first_tap = rows.kernel_first * a.kw + cols.kernel_first;
      T* dst = out.data + ((image * out.rows + h) * out.cols + phase) * channels();
      for (int64_t v = begin; v < end; ++v) {
        const int64_t left = channels() - v * kW;
        r.lanes = left < kW ? left : kW;
        r.in = src + (v - begin) * from.vector;
        r.w = w + (v * taps() + first_tap) * kW;
        r.bias = w + (vectors() * taps() + v) * kW;
        r.out = dst + v * kW;
        r.ahead = reads_ahead ? ahead + v * ahead_vector : nullptr;
        kernel(r, left >= kW)(r);
        if (!gradient && a.activation > Activation::relu) activate_rows(r, a.activation, a.activation_parameter);
      }
    }
  }

  void run() const {
    T* w = static_cast<T*>(a.workspace);
    pack(w);
    const int64_t size = a.n * out.rows * out.cols * channels();
    if (size == 0) return;
    const bool streaming = kVectorBytes == 64 && channels() % kW == 0 && can_stream(out.data, size) &&
                           (gradient || a.activation <= Activation::relu);
    const Cut c = cut();
    const int64_t bands = (out.rows + c.rows - 1) / c.rows, strips = (vectors() + c.vectors - 1) / c.vectors;
    T* scratch = w + vectors() * (taps() + 1) * kW;
    const int64_t cost = size * (taps() + 8) / 16 * static_cast<int64_t>(sizeof(T));
    parallel_blocks(a.n * bands * strips, a.width, cost, [&](int64_t task, int worker) {
      const int64_t image = task / (bands * strips), row = task / strips % bands * c.rows;
      const int64_t begin = task % strips * c.vectors, end = begin + c.vectors;
      run_band(image, row, row + c.rows < out.rows ? row + c.rows : out.rows, begin, end < vectors() ? end : vectors(),
               w, scratch + worker * scratch_size(), streaming);
      if (streaming) stream_fence();
    });
  }
};

}  // namespace

#define FASTNN_DEPTHWISE(T)                                                                   \
  template <>                                                                                 \
  int64_t depthwise_workspace<T>(const Conv2dArgs<T>& a) {                                    \
    const int64_t forward = Sweep<T>(a, false).bytes(), gradient = Sweep<T>(a, true).bytes(); \
    return forward > gradient ? forward : gradient;                                           \
  }                                                                                           \
  template <>                                                                                 \
  void depthwise_forward<T>(const Conv2dArgs<T>& a) {                                         \
    Sweep<T>(a, false).run();                                                                 \
  }                                                                                           \
  template <>                                                                                 \
  void depthwise_input_gradient<T>(const Conv2dArgs<T>& a) {                                  \
    Sweep<T>(a, true).run();                                                                  \
  }
FASTNN_DEPTHWISE(float)
FASTNN_DEPTHWISE(double)

}  // namespace fastnn::FASTNN_ISA
