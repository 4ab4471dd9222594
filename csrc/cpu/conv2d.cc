#include "ops/conv2d.h"

#include "core/parallel.h"
#include "cpu/conv_correlations.h"
#include "cpu/conv_weight_gradient.h"
#include "cpu/depthwise.h"
#include "cpu/few_channels.h"
#include "cpu/grouped.h"
#include "cpu/pointwise.h"
#include "cpu/winograd_gradient.h"
#include "ops/linear.h"

namespace fastnn::FASTNN_ISA {
namespace {

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

// Sums over fewer channels would gain less from pairs than the odd ones cost.
template <class T>
Pairing pairing_of(const Conv2dArgs<T>& a, int64_t channels) {
  return kHasPairs<T> && a.bfloat16 && channels / a.groups >= 4 ? Pairing::channels : Pairing::none;
}
template <class T>
Correlation<T> forward_of(const Conv2dArgs<T>& a) {
  Correlation<T> c = forward_correlation(a, 1, pairing_of(a, a.ci));
  c.cut_depth();
  return c;
}
template <class T>
Correlation<T> gradient_of(const Conv2dArgs<T>& a, int64_t h, int64_t w) {
  Correlation<T> c = gradient_correlation(a, h, w, 1, pairing_of(a, a.co));
  c.cut_depth();
  return c;
}

// ---- forward ----

template <class T>
void direct_forward(const Conv2dArgs<T>& a) {
  const int64_t ci = a.ci / a.groups, co = a.co / a.groups;
  Correlation<T> c = forward_of(a);
  for (int64_t g = 0; g < a.groups; ++g) {
    c.in = a.x + g * ci;
    const OutputGrid<T> out{a.y + g * co, a.oh * a.ow * a.co, a.ow * a.co, a.co, co};
    const Epilogue<T> e{a.bias ? a.bias + g * co : nullptr, a.activation, a.activation_parameter,
                        a.activation_parameter};
    run_correlation(c, a.weight_strides, a.weight + g * co * a.weight_strides.out, out, e, a.workspace, a.width);
  }
}

// ---- input gradient ----

template <class T>
int64_t direct_input_gradient_bytes(const Conv2dArgs<T>& a) {
  int64_t most = 0;
  for_phases(a, [&](int64_t h, int64_t w) {
    const int64_t bytes = correlation_bytes(gradient_of(a, h, w), a.ci / a.groups, a.width);
    if (bytes > most) most = bytes;
  });
  return most;
}

template <class T>
void direct_input_gradient(const Conv2dArgs<T>& a) {
  const int64_t ci = a.ci / a.groups, co = a.co / a.groups;
  // The gradient reads the output's channels and writes the input's.
  const WeightStrides turned{a.weight_strides.in, a.weight_strides.out, a.weight_strides.kh, a.weight_strides.kw};
  for_phases(a, [&](int64_t h, int64_t w) {
    Correlation<T> c = gradient_of(a, h, w);
    for (int64_t g = 0; g < a.groups; ++g) {
      c.in = a.dy + g * co;
      const OutputGrid<T> out{a.dx + (h * a.iw + w) * a.ci + g * ci, a.ih * a.iw * a.ci, a.stride_h * a.iw * a.ci,
                              a.stride_w * a.ci, ci};
      const Epilogue<T> e{a.bias ? a.bias + g * ci : nullptr};
      run_correlation(c, turned, a.weight + g * co * a.weight_strides.out, out, e, a.workspace, a.width);
    }
  });
}

// ---- weight gradient ----

template <class T>
void direct_weight_gradient(const Conv2dArgs<T>& a) {
  if (PlaneWeightGradient<T>(a).pays()) {
    PlaneWeightGradient<T> gradient(a);
    for (int64_t g = 0; g < a.groups; ++g) gradient.run(a, g);
  } else {
    BandWeightGradient<T> gradient(a);
    for (int64_t g = 0; g < a.groups; ++g) gradient.run(a, g);
  }
}

template <class T>
int64_t direct_weight_gradient_bytes(const Conv2dArgs<T>& a) {
  const PlaneWeightGradient<T> planes(a);
  return planes.pays() ? planes.bytes() : BandWeightGradient<T>(a).bytes();
}

template <class T>
ColumnSumsArgs<T> bias_gradient(const Conv2dArgs<T>& a) {
  return {a.n * a.oh * a.ow, a.co, a.dy, a.dbias, a.workspace, a.width};
}

// ---- Winograd ----

template <class T>
bool use_winograd(const Conv2dArgs<T>& a) {
  if (sizeof(T) != sizeof(float) || a.algorithm == ConvAlgorithm::direct) return false;
  if (a.kh != 3 || a.kw != 3 || a.stride_h * a.stride_w * a.dilation_h * a.dilation_w * a.groups != 1) return false;
  if (a.algorithm == ConvAlgorithm::winograd) return true;
  // The shorter the sums and the more of an image is border, which the direct kernel skips, the more the transforms
  // show: these limits keep the rounding error of images behind a ReLU below the promised 2.5 times the direct kernel's
  // (2.6 to 3 beyond them). 16 channels run at 1.6 to 1.9 times its speed with 16 lanes, at 0.9 times with 8; more of
  // them at 1.5 to 2.6 times. The weights' transform costs as much as ten tiles save.
  const int64_t pixels = a.oh * a.ow;
  const int64_t least = pixels <= 16 || !kFusedMultiplyAdd ? 64 : pixels <= 120 || kFloatLanes < 16 ? 32 : 16;
  const int64_t tiles = a.n * ((a.oh + 3) / 4) * ((a.ow + 3) / 4);
  // A tile makes 16 pixels: with 9 of them inside the image it is as fast as the direct kernel, with 4 half as fast.
  return a.ci >= least && a.co >= least && tiles >= 16 && a.n * a.oh * a.ow >= 9 * tiles;
}

// ---- The ways to convolve, and which one takes which arguments ----

template <class T>
struct PointwiseWay {
  const Conv2dArgs<T>& a;
  Pointwise<T> product() const { return {a}; }
  int64_t forward_bytes() const { return product().forward().workspace(); }
  int64_t input_gradient_bytes() const { return product().input_gradient().workspace(); }
  int64_t weight_gradient_bytes() const { return product().weight_gradient().workspace(); }
  void forward() const { product().forward().run(a.workspace); }
  void input_gradient() const { product().input_gradient().run(a.workspace); }
  void weight_gradient() const { product().weight_gradient().run(a.workspace); }
};

template <class T>
struct DepthwiseWay {
  const Conv2dArgs<T>& a;
  int64_t forward_bytes() const { return depthwise_workspace(a); }
  int64_t input_gradient_bytes() const { return depthwise_workspace(a); }
  int64_t weight_gradient_bytes() const { return depthwise_weight_gradient_workspace(a); }
  void forward() const { depthwise_forward(a); }
  void input_gradient() const { depthwise_input_gradient(a); }
  void weight_gradient() const { depthwise_weight_gradient(a); }
};

template <class T>
struct GroupedWay {
  const Conv2dArgs<T>& a;
  int64_t forward_bytes() const { return grouped_forward_workspace(a); }
  int64_t input_gradient_bytes() const { return grouped_input_gradient_workspace(a); }
  int64_t weight_gradient_bytes() const { return grouped_weight_gradient_workspace(a); }
  void forward() const { grouped_forward(a); }
  void input_gradient() const { grouped_input_gradient(a); }
  void weight_gradient() const { grouped_weight_gradient(a); }
};

struct WinogradWay {
  const Conv2dArgs<float>& a;
  Winograd correlation() const {
    const Epilogue<float> e{a.bias, a.activation, a.activation_parameter, a.activation_parameter};
    return {{a.x, a.ih, a.iw, a.ci, -a.pad_top, -a.pad_left}, {a.n, a.oh, a.ow}, a.y, a.co, e, a.width};
  }
  // That of dy and the weight turned round, its channels exchanged; the bias is a transposed convolution's.
  Winograd turned() const {
    const Epilogue<float> e{a.bias};
    return {{a.dy, a.oh, a.ow, a.co, a.pad_top - 2, a.pad_left - 2}, {a.n, a.ih, a.iw}, a.dx, a.ci, e, a.width};
  }
  WinogradGradient gradient() const {
    return {
        {a.x, a.ih, a.iw, a.ci, -a.pad_top, -a.pad_left}, {a.dy, a.oh, a.ow, a.co, 0, 0}, {a.n, a.oh, a.ow}, a.width};
  }
  int64_t forward_bytes() const { return correlation().bytes(); }
  int64_t input_gradient_bytes() const { return turned().bytes(); }
  int64_t weight_gradient_bytes() const { return gradient().bytes(); }
  void forward() const { correlation().run(a.weight_strides, a.weight, a.workspace); }
  void input_gradient() const {
    const WeightStrides& s = a.weight_strides;
    turned().run({s.in, s.out, -s.kh, -s.kw}, a.weight + 2 * (s.kh + s.kw), a.workspace);
  }
  void weight_gradient() const { gradient().run(a.weight_strides, a.dweight, a.workspace); }
};

template <class T>
struct DirectWay {
  const Conv2dArgs<T>& a;
  int64_t forward_bytes() const { return correlation_bytes(forward_of(a), a.co / a.groups, a.width); }
  int64_t input_gradient_bytes() const {
    if (is_disjoint(a)) return Disjoint<T>{a}.bytes();
    return FewChannels<T>{a}.pays() ? FewChannels<T>{a}.bytes() : direct_input_gradient_bytes(a);
  }
  int64_t weight_gradient_bytes() const { return direct_weight_gradient_bytes(a); }
  void forward() const { direct_forward(a); }
  void input_gradient() const {
    if (is_disjoint(a)) return Disjoint<T>{a}.input_gradient();
    FewChannels<T>{a}.pays() ? FewChannels<T>{a}.input_gradient() : direct_input_gradient(a);
  }
  void weight_gradient() const { direct_weight_gradient(a); }
};

template <class T, class F>
auto choose(const Conv2dArgs<T>& a, const F& f) {
  if (is_pointwise(a)) return f(PointwiseWay<T>{a});
  if (is_depthwise(a)) return f(DepthwiseWay<T>{a});
  if (is_grouped(a)) return f(GroupedWay<T>{a});
  if constexpr (sizeof(T) == sizeof(float))
    if (use_winograd(a)) return f(WinogradWay{a});
  return f(DirectWay<T>{a});
}

// Depthwise convolution sums its bias gradient on the way.
template <class T>
bool sums_apart(const Conv2dArgs<T>& a) {
  return is_pointwise(a) || !is_depthwise(a);
}

template <class T>
int64_t weight_gradient_workspace(const Conv2dArgs<T>& a) {
  const int64_t sums = sums_apart(a) ? column_sums_workspace(bias_gradient(a)) : 0;
  const int64_t bytes = choose(a, [](const auto& way) { return way.weight_gradient_bytes(); });
  return sums > bytes ? sums : bytes;
}

template <class T>
void weight_gradient(const Conv2dArgs<T>& a) {
  choose(a, [](const auto& way) { way.weight_gradient(); });
  if (a.dbias && sums_apart(a)) column_sums(bias_gradient(a));
}

}  // namespace

#define FASTNN_CONV2D(T)                                                                                    \
  int64_t conv2d_forward_workspace(const Conv2dArgs<T>& a) {                                                \
    return choose(a, [](const auto& way) { return way.forward_bytes(); });                                  \
  }                                                                                                         \
  int64_t conv2d_input_gradient_workspace(const Conv2dArgs<T>& a) {                                         \
    return choose(a, [](const auto& way) { return way.input_gradient_bytes(); });                           \
  }                                                                                                         \
  int64_t conv2d_weight_gradient_workspace(const Conv2dArgs<T>& a) { return weight_gradient_workspace(a); } \
  void conv2d_forward(const Conv2dArgs<T>& a) {                                                             \
    choose(a, [](const auto& way) { way.forward(); });                                                      \
  }                                                                                                         \
  void conv2d_input_gradient(const Conv2dArgs<T>& a) {                                                      \
    choose(a, [](const auto& way) { way.input_gradient(); });                                               \
  }                                                                                                         \
  void conv2d_weight_gradient(const Conv2dArgs<T>& a) { weight_gradient(a); }
FASTNN_CONV2D(float)
FASTNN_CONV2D(double)

}  // namespace fastnn::FASTNN_ISA
