#include "cpu/depthwise.h"

#include "core/parallel.h"
#include "cpu/correlation.h"
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
__attribute__((noinline)) void activate_row(const DepthwiseRow<T>& r, Activation activation, T parameter) {
  for (int64_t q = 0; q < r.ow; ++q) {
    T* p = r.out + q * r.out_pixel;
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
  int64_t bytes() const { return vectors() * (taps() + 1) * kW * static_cast<int64_t>(sizeof(T)); }

  // Weights as [vector][kh][kw][lane], then the bias, lanes beyond the channels zero.
  void pack(T* w) const {
    T* bias = w + vectors() * taps() * kW;
    parallel_blocks(vectors(), a.width, 2 * bytes(), [&](int64_t v, int) {
      for (int64_t l = 0; l < kW; ++l) {
        const int64_t c = v * kW + l;
        const bool valid = c < channels();
        const T* src = a.weight + c * a.weight_strides.out;
        T* dst = w + v * taps() * kW + l;
        for (int64_t i = 0; i < a.kh; ++i)
          for (int64_t j = 0; j < a.kw; ++j, dst += kW)
            *dst = valid ? src[i * a.weight_strides.kh + j * a.weight_strides.kw] : 0;
        bias[c] = valid && !gradient && a.bias ? a.bias[c] : 0;
      }
    });
  }

  // Outputs of one phase read through these taps; the forward pass has one phase.
  Taps row_taps(int64_t phase) const {
    if (gradient) return gradient_taps(phase, a.kh, a.stride_h, a.dilation_h, a.pad_top);
    return {a.kh, -a.pad_top, a.dilation_h, a.stride_h, 0, 1};
  }
  Taps col_taps(int64_t phase) const {
    if (gradient) return gradient_taps(phase, a.kw, a.stride_w, a.dilation_w, a.pad_left).ascending();
    return {a.kw, -a.pad_left, a.dilation_w, a.stride_w, 0, 1};
  }

  // Vectors [begin, end) of output row `row`, the rows of all images counted through.
  void run_row(int64_t row, int64_t begin, int64_t end, const T* w, bool streaming) const {
    const int64_t down = gradient ? a.stride_h : 1, across = gradient ? a.stride_w : 1;
    const int64_t image = row / out.rows, h = row % out.rows;
    const Taps rows = row_taps(h % down);
    const int64_t top = h / down * rows.stride + rows.first;
    int64_t first = 0, last = rows.count;
    while (first < last && !(top + first * rows.step >= 0 && top + first * rows.step < in.rows)) ++first;
    while (last > first && !(top + (last - 1) * rows.step >= 0 && top + (last - 1) * rows.step < in.rows)) --last;
    const int64_t in_row = in.cols * channels();
    for (int64_t phase = 0; phase < across && phase < out.cols; ++phase) {
      const Taps cols = col_taps(phase);
      DepthwiseRow<T> r{};
      r.in_end = in.data + a.n * in.rows * in_row;
      r.in_row = rows.step * in_row;
      r.in_pixel = channels();
      r.iw = in.cols;
      r.rows = cols.count > 0 ? last - first : 0;
      r.taps = cols.count;
      r.first = cols.first, r.step = cols.step, r.stride = cols.stride;
      r.w_row = rows.kernel_step * a.kw * kW;
      r.w_col = cols.kernel_step * kW;
      r.relu = !gradient && a.activation == Activation::relu;
      r.streaming = streaming;
      r.out_pixel = across * channels();
      r.ow = (out.cols - phase + across - 1) / across;
      const T* src = in.data + (image * in.rows + top + first * rows.step) * in_row;
      // The rows that the next output row adds, in portions.
      const bool reads_ahead = h % down == 0 && phase == 0;
      const T* ahead = in.data + (image * in.rows + h / down * rows.stride + rows.lowest() + rows.extent()) * in_row;
      r.ahead_lines = rows.stride * cols.stride;
      const int64_t first_tap = (rows.kernel_first + first * rows.kernel_step) * a.kw + cols.kernel_first;
      T* dst = out.data + (row * out.cols + phase) * channels();
      for (int64_t v = begin; v < end; ++v) {
        const int64_t left = channels() - v * kW;
        r.lanes = left < kW ? left : kW;
        r.in = src + v * kW;
        r.w = w + (v * taps() + first_tap) * kW;
        r.bias = w + (vectors() * taps() + v) * kW;
        r.out = dst + v * kW;
        r.ahead = reads_ahead ? ahead + v * r.ow * r.ahead_lines * (64 / static_cast<int64_t>(sizeof(T))) : nullptr;
        if (left >= kW)
          depthwise_row_for<T, true>(r.taps, r.step, r.stride)(r);
        else
          depthwise_row_for<T, false>(r.taps, r.step, r.stride)(r);
        if (!gradient && a.activation > Activation::relu) activate_row(r, a.activation, a.activation_parameter);
      }
    }
  }

  void run() const {
    T* w = static_cast<T*>(a.workspace);
    pack(w);
    const int64_t rows = a.n * out.rows, size = rows * out.cols * channels();
    if (size == 0) return;
    const bool streaming = kVectorBytes == 64 && channels() % kW == 0 && can_stream(out.data, size) &&
                           (gradient || a.activation <= Activation::relu);
    // Some 64 tasks; where there are few rows, of fewer channels.
    const Pieces bands(rows, (rows + 63) / 64);
    const int64_t shares = bands.count < 32 ? (32 + bands.count - 1) / bands.count : 1;
    const Pieces parts(vectors(), shares < vectors() ? (vectors() + shares - 1) / shares : 1);
    const int64_t cost = size * (taps() + 8) / 4 * static_cast<int64_t>(sizeof(T)) / 4;
    parallel_blocks(bands.count * parts.count, a.width, cost, [&](int64_t task, int) {
      const int64_t band = task / parts.count, part = task % parts.count;
      for (int64_t row = bands.begin(band); row < bands.begin(band + 1); ++row)
        run_row(row, parts.begin(part), parts.begin(part + 1), w, streaming);
      if (streaming) stream_fence();
    });
  }
};

}  // namespace

#define FASTNN_DEPTHWISE(T)                                  \
  template <>                                                \
  int64_t depthwise_workspace<T>(const Conv2dArgs<T>& a) {   \
    return Sweep<T>(a, false).bytes();                       \
  }                                                          \
  template <>                                                \
  void depthwise_forward<T>(const Conv2dArgs<T>& a) {        \
    Sweep<T>(a, false).run();                                \
  }                                                          \
  template <>                                                \
  void depthwise_input_gradient<T>(const Conv2dArgs<T>& a) { \
    Sweep<T>(a, true).run();                                 \
  }
FASTNN_DEPTHWISE(float)
FASTNN_DEPTHWISE(double)

}  // namespace fastnn::FASTNN_ISA
