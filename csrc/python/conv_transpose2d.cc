#include "ops/conv_transpose2d.h"

#include "python/support/arguments.h"
#include "python/support/convolution.h"
#include "python/support/matmul.h"
#include "python/support/matmul_precision.h"
#include "python/support/windows.h"

namespace fastnn {
namespace {

// The geometry that forward and backward share, checked.
template <class T>
ConvTranspose2dArgs<T> transposed_geometry(const char* op, const View& x, const View& weight, py::handle stride_,
                                           py::handle padding_, py::handle output_padding, py::handle groups_,
                                           py::handle dilation_) {
  ConvTranspose2dArgs<T> args{};
  Conv2dArgs<T>& a = args.conv;
  const Pair stride = int_pair(op, "stride", stride_, 1), dilation = int_pair(op, "dilation", dilation_, 1);
  const Pair extra = int_pair(op, "output_padding", output_padding, 0);
  a.groups = integer(op, "groups", groups_, 1);
  product(op, "the output", {weight.shape[1], a.groups});
  product(op, "the kernel", {weight.shape[2], dilation.h});
  product(op, "the kernel", {weight.shape[3], dilation.w});
  a.n = x.shape[0], a.co = x.shape[1], a.oh = x.shape[2], a.ow = x.shape[3];
  a.ci = weight.shape[1] * a.groups, a.kh = weight.shape[2], a.kw = weight.shape[3];
  if (a.co % a.groups)
    fail_value(op, "groups", "a divisor of the " + std::to_string(a.co) + " channels of x", std::to_string(a.groups));
  if (a.kh < 1 || a.kw < 1) fail_value(op, "weight", "of kernel size 1 or more", weight.got());
  weight.need_shape({a.co, weight.shape[1], a.kh, a.kw});
  if ((extra.h >= stride.h && extra.h >= dilation.h) || (extra.w >= stride.w && extra.w >= dilation.w))
    fail_value(op, "output_padding", "smaller than the stride or the dilation", describe(output_padding));
  if (py::isinstance<py::str>(padding_))
    fail_value(op, "padding", "an integer, (ph, pw) or ((top, bottom), (left, right))", describe(padding_));
  a.stride_h = stride.h, a.stride_w = stride.w;
  a.dilation_h = dilation.h, a.dilation_w = dilation.w;
  const Pair reach{dilation.h * (a.kh - 1), dilation.w * (a.kw - 1)};
  const Padding padding = parse_padding(op, padding_, stride, reach);
  a.pad_top = padding.top, a.pad_left = padding.left;
  product(op, "the output", {a.n, a.ci, a.oh, stride.h, a.ow, stride.w});
  a.ih = (a.oh - 1) * stride.h + reach.h + 1 + extra.h - padding.top - padding.bottom;
  a.iw = (a.ow - 1) * stride.w + reach.w + 1 + extra.w - padding.left - padding.right;
  if (a.oh < 1 || a.ow < 1 || a.ih < 1 || a.iw < 1)
    fail_value(op, "x", "large enough for an output of one pixel",
               x.got() + " for one of (" + std::to_string(a.ih) + ", " + std::to_string(a.iw) + ")");
  product(op, "the output", {a.n, a.ci, a.ih, a.iw});
  a.weight_strides = strides_of(weight.shape, weight_order(weight));
  a.width = num_threads();
  a.bfloat16 = may_round_to_bfloat16();
  return args;
}

py::array conv_transpose2d(py::handle x_, py::handle weight_, py::handle bias_, py::handle stride, py::handle padding,
                           py::handle output_padding, py::handle groups, py::handle dilation) {
  constexpr const char* op = "conv_transpose2d";
  const View x(op, "x", x_), weight(op, "weight", weight_);
  const auto bias = optional_view(op, "bias", bias_);
  x.need_float();
  x.need_rank(4, 4);
  weight.need_like(x);
  weight.need_rank(4, 4);
  return with_dtype(x, [&]<class T>() -> py::array {
    auto args = transposed_geometry<T>(op, x, weight, stride, padding, output_padding, groups, dilation);
    Conv2dArgs<T>& a = args.conv;
    if (bias) {
      bias->need_like(x);
      bias->need_shape({a.ci});
    }
    const Dense<T> dense_x(x), dense_weight(weight, weight_order(weight));
    std::optional<Dense<T>> dense_bias;
    if (bias) dense_bias.emplace(*bias);
    py::array y = new_array<T>({a.n, a.ci, a.ih, a.iw});
    a.dy = dense_x.data(), a.weight = dense_weight.data(), a.bias = bias ? dense_bias->data() : nullptr;
    a.dx = data_of<T>(y);
    const Workspace workspace(conv_transpose2d_forward_workspace(args));
    a.workspace = workspace.get();
    without_gil(cost(a), [&] { conv_transpose2d_forward(args); });
    return y;
  });
}

py::tuple conv_transpose2d_backward(py::handle dy_, py::handle x_, py::handle weight_, py::handle stride,
                                    py::handle padding, py::handle output_padding, py::handle groups,
                                    py::handle dilation, py::handle needs_) {
  constexpr const char* op = "conv_transpose2d_backward";
  const View x(op, "x", x_), weight(op, "weight", weight_), dy(op, "dy", dy_);
  const std::vector<bool> needs = parse_needs(op, needs_, {"x", "weight", "bias"});
  x.need_float();
  x.need_rank(4, 4);
  weight.need_like(x);
  weight.need_rank(4, 4);
  dy.need_like(x);
  return with_dtype(x, [&]<class T>() -> py::tuple {
    auto args = transposed_geometry<T>(op, x, weight, stride, padding, output_padding, groups, dilation);
    Conv2dArgs<T>& a = args.conv;
    dy.need_shape({a.n, a.ci, a.ih, a.iw});
    const Dense<T> dense_dy(dy);
    a.x = dense_dy.data();
    py::object dx = py::none(), dw = py::none(), db = py::none();
    if (needs[0]) {
      const Dense<T> dense_weight(weight, weight_order(weight));
      py::array result = new_array<T>(x.shape);
      a.weight = dense_weight.data(), a.y = data_of<T>(result);
      const Workspace workspace(conv_transpose2d_input_gradient_workspace(args));
      a.workspace = workspace.get();
      without_gil(cost(a), [&] { conv_transpose2d_input_gradient(args); });
      dx = result;
    }
    if (needs[1]) {
      const Dense<T> dense_x(x);
      py::array result = new_array<T>(weight.shape, weight_order(weight));
      a.dy = dense_x.data(), a.dweight = data_of<T>(result);
      const Workspace workspace(conv_transpose2d_weight_gradient_workspace(args));
      a.workspace = workspace.get();
      without_gil(cost(a), [&] { conv_transpose2d_weight_gradient(args); });
      dw = result;
    }
    if (needs[2]) {
      py::array result = new_array<T>({a.ci});
      run_column_sums(a.n * a.ih * a.iw, a.ci, a.x, data_of<T>(result));
      db = result;
    }
    return py::make_tuple(dx, dw, db);
  });
}

}  // namespace

void bind_conv_transpose2d(py::module_& m) {
  define(m, "conv_transpose2d", &conv_transpose2d);
  define(m, "conv_transpose2d_backward", &conv_transpose2d_backward);
}

}  // namespace fastnn
