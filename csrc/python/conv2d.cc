#include "ops/conv2d.h"

#include <atomic>
#include <cstdlib>

#include "python/support/activation_argument.h"
#include "python/support/arguments.h"
#include "python/support/convolution.h"
#include "python/support/fused_backward.h"
#include "python/support/matmul.h"
#include "python/support/matmul_precision.h"
#include "python/support/windows.h"

namespace fastnn {
namespace {

constexpr const char* kAlgorithms[] = {"auto", "direct", "winograd"};

// What calls without `algorithm` use.
std::atomic<ConvAlgorithm> g_algorithm{ConvAlgorithm::automatic};

bool find_algorithm(py::handle name, ConvAlgorithm* found) {
  if (!py::isinstance<py::str>(name)) return false;
  const std::string word = name.cast<std::string>();
  for (int i = 0; i < 3; ++i)
    if (word == kAlgorithms[i]) {
      *found = static_cast<ConvAlgorithm>(i);
      return true;
    }
  return false;
}

// A call that names winograd must be able to use it; the default gives way where it cannot.
template <class T>
ConvAlgorithm parse_algorithm(const char* op, py::handle name, const Conv2dArgs<T>& a) {
  ConvAlgorithm algorithm = g_algorithm.load(std::memory_order_relaxed);
  if (name.is_none()) return algorithm;
  if (!find_algorithm(name, &algorithm))
    fail_value(op, "algorithm", "None, \"auto\", \"direct\" or \"winograd\"", describe(name));
  if (algorithm != ConvAlgorithm::winograd) return algorithm;
  auto refuse = [&](const std::string& why) {
    fail_value(op, "algorithm", "\"auto\" or \"direct\" " + why, describe(name));
  };
  if (a.kh != 3 || a.kw != 3)
    refuse("for a kernel of " + std::to_string(a.kh) + " x " + std::to_string(a.kw) + ", which is not 3 x 3");
  if (a.stride_h != 1 || a.stride_w != 1) refuse("for a stride other than 1");
  if (a.dilation_h != 1 || a.dilation_w != 1) refuse("for a dilation other than 1");
  if (a.groups != 1) refuse("for groups other than 1");
  return algorithm;
}

void set_conv_algorithm(py::handle name) {
  ConvAlgorithm algorithm;
  if (!find_algorithm(name, &algorithm))
    fail_value("set_conv_algorithm", "algorithm", "\"auto\", \"direct\" or \"winograd\"", describe(name));
  g_algorithm.store(algorithm, std::memory_order_relaxed);
}

std::string get_conv_algorithm() { return kAlgorithms[static_cast<int>(g_algorithm.load(std::memory_order_relaxed))]; }

// The geometry that forward and backward share, checked.
template <class T>
Conv2dArgs<T> geometry(const char* op, const View& x, const View& weight, py::handle stride_, py::handle padding_,
                       py::handle dilation_, py::handle groups_, py::handle algorithm) {
  Conv2dArgs<T> a{};
  const Pair stride = int_pair(op, "stride", stride_, 1), dilation = int_pair(op, "dilation", dilation_, 1);
  a.groups = integer(op, "groups", groups_, 1);
  a.n = x.shape[0], a.ci = x.shape[1], a.ih = x.shape[2], a.iw = x.shape[3];
  a.co = weight.shape[0], a.kh = weight.shape[2], a.kw = weight.shape[3];
  const std::string groups = std::to_string(a.groups);
  if (a.ci % a.groups) fail_value(op, "groups", "a divisor of the " + std::to_string(a.ci) + " channels of x", groups);
  if (a.co % a.groups) fail_value(op, "groups", "a divisor of the " + std::to_string(a.co) + " rows of weight", groups);
  if (a.kh < 1 || a.kw < 1) fail_value(op, "weight", "of kernel size 1 or more", weight.got());
  weight.need_shape({a.co, a.ci / a.groups, a.kh, a.kw});
  a.stride_h = stride.h, a.stride_w = stride.w;
  a.dilation_h = dilation.h, a.dilation_w = dilation.w;
  const Pair reach{dilation.h * (a.kh - 1), dilation.w * (a.kw - 1)};
  const Padding padding = parse_padding(op, padding_, stride, reach);
  a.pad_top = padding.top, a.pad_left = padding.left;
  const int64_t high = a.ih + padding.top + padding.bottom, wide = a.iw + padding.left + padding.right;
  if (high <= reach.h || wide <= reach.w)
    fail_value(op, "weight",
               "a kernel no larger than the padded input (" + std::to_string(high) + ", " + std::to_string(wide) + ")",
               "an extent of (" + std::to_string(reach.h + 1) + ", " + std::to_string(reach.w + 1) + ")");
  a.oh = (high - reach.h - 1) / stride.h + 1;
  a.ow = (wide - reach.w - 1) / stride.w + 1;
  product(op, "the output", {a.n, a.co, a.oh, a.ow});
  product(op, "the padded input", {a.n, a.ci, high, wide});
  a.weight_strides = strides_of(weight.shape, weight_order(weight));
  a.width = num_threads();
  a.bfloat16 = may_round_to_bfloat16();
  a.algorithm = parse_algorithm(op, algorithm, a);
  return a;
}

py::array conv2d(py::handle x_, py::handle weight_, py::handle bias_, py::handle stride, py::handle padding,
                 py::handle dilation, py::handle groups, py::handle activation_, py::handle algorithm) {
  constexpr const char* op = "conv2d";
  const View x(op, "x", x_), weight(op, "weight", weight_);
  const auto bias = optional_view(op, "bias", bias_);
  const Activation activation = parse_activation(op, activation_);
  x.need_float();
  x.need_rank(4, 4);
  weight.need_like(x);
  weight.need_rank(4, 4);
  return with_dtype(x, [&]<class T>() -> py::array {
    Conv2dArgs<T> a = geometry<T>(op, x, weight, stride, padding, dilation, groups, algorithm);
    if (bias) {
      bias->need_like(x);
      bias->need_shape({a.co});
    }
    const Dense<T> dense_x(x), dense_weight(weight, weight_order(weight));
    std::optional<Dense<T>> dense_bias;
    if (bias) dense_bias.emplace(*bias);
    py::array y = new_array<T>({a.n, a.co, a.oh, a.ow});
    a.x = dense_x.data(), a.weight = dense_weight.data(), a.bias = bias ? dense_bias->data() : nullptr;
    a.activation = activation, a.activation_parameter = static_cast<T>(fused_parameter(activation));
    a.y = data_of<T>(y);
    const Workspace workspace(conv2d_forward_workspace(a));
    a.workspace = workspace.get();
    without_gil(cost(a), [&] { conv2d_forward(a); });
    return y;
  });
}

py::tuple conv2d_backward(py::handle dy_, py::handle x_, py::handle weight_, py::handle stride, py::handle padding,
                          py::handle dilation, py::handle groups, py::handle activation_, py::handle y_,
                          py::handle needs_, py::handle algorithm) {
  constexpr const char* op = "conv2d_backward";
  const View x(op, "x", x_), weight(op, "weight", weight_), dy(op, "dy", dy_);
  const Activation activation = parse_activation(op, activation_);
  const std::vector<bool> needs = parse_needs(op, needs_, {"x", "weight", "bias"});
  x.need_float();
  x.need_rank(4, 4);
  weight.need_like(x);
  weight.need_rank(4, 4);
  dy.need_like(x);
  return with_dtype(x, [&]<class T>() -> py::tuple {
    Conv2dArgs<T> a = geometry<T>(op, x, weight, stride, padding, dilation, groups, algorithm);
    dy.need_shape({a.n, a.co, a.oh, a.ow});
    const FusedBackward<T> gradient(op, dy, activation, y_, channels_last_order(4));
    a.dy = gradient.data();
    py::object dx = py::none(), dw = py::none(), db = py::none();
    if (needs[0]) {
      const Dense<T> dense_weight(weight, weight_order(weight));
      py::array result = new_array<T>(x.shape);
      a.weight = dense_weight.data(), a.dx = data_of<T>(result);
      const Workspace workspace(conv2d_input_gradient_workspace(a));
      a.workspace = workspace.get();
      without_gil(cost(a), [&] { conv2d_input_gradient(a); });
      dx = result;
    }
    if (needs[2]) {
      py::array result = new_array<T>({a.co});
      a.dbias = data_of<T>(result);
      db = result;
    }
    if (needs[1]) {
      const Dense<T> dense_x(x);
      py::array result = new_array<T>(weight.shape, weight_order(weight));
      a.x = dense_x.data(), a.dweight = data_of<T>(result);
      const Workspace workspace(conv2d_weight_gradient_workspace(a));
      a.workspace = workspace.get();
      without_gil(cost(a), [&] { conv2d_weight_gradient(a); });
      dw = result;
    } else if (needs[2]) {
      run_column_sums(a.n * a.oh * a.ow, a.co, a.dy, a.dbias);
    }
    return py::make_tuple(dx, dw, db);
  });
}

}  // namespace

void bind_conv2d(py::module_& m) {
  define(m, "conv2d", &conv2d);
  define(m, "conv2d_backward", &conv2d_backward);
  m.def("set_conv_algorithm", &set_conv_algorithm, py::arg("algorithm"));
  m.def("get_conv_algorithm", &get_conv_algorithm);

  if (const char* wanted = std::getenv("FASTNN_CONV_ALGORITHM"); wanted && *wanted) {
    try {
      set_conv_algorithm(py::str(wanted));
    } catch (const py::value_error& e) {
      throw py::import_error(std::string("FASTNN_CONV_ALGORITHM: ") + e.what());
    }
  }
}

}  // namespace fastnn
