#include "ops/linear.h"

#include "python/support/activation_argument.h"
#include "python/support/arguments.h"
#include "python/support/fused_backward.h"
#include "python/support/matmul.h"

namespace fastnn {
namespace {

int64_t rows_of(const View& x) {
  int64_t rows = 1;
  for (int i = 0; i + 1 < x.rank(); ++i) rows *= x.shape[i];
  return rows;
}

py::array linear(py::handle x_, py::handle weight_, py::handle bias_, py::handle activation_) {
  constexpr const char* op = "linear";
  const View x(op, "x", x_), weight(op, "weight", weight_);
  const auto bias = optional_view(op, "bias", bias_);
  const Activation activation = parse_activation(op, activation_);
  x.need_float();
  x.need_rank(1);
  weight.need_like(x);
  weight.need_rank(2, 2);
  const int64_t out = weight.shape[0], in = weight.shape[1], rows = rows_of(x);
  if (x.shape.back() != in)
    fail_value(op, "x", "of shape (..., " + std::to_string(in) + ") to fit weight " + to_string(weight.shape), x.got());
  if (bias) {
    bias->need_like(x);
    bias->need_shape({out});
  }
  Shape shape = x.shape;
  shape.back() = out;
  product(op, "the output", shape);
  return with_dtype(x, [&]<class T>() -> py::array {
    const Dense<T> dense_x(x, c_order(x.rank())), dense_weight(weight, c_order(2));
    std::optional<Dense<T>> dense_bias;
    if (bias) dense_bias.emplace(*bias);
    py::array y = new_array<T>(shape, c_order(x.rank()));
    MatmulArgs<T> args{};
    args.m = rows, args.n = out, args.k = in;
    args.a = dense_x.data(), args.a_row = in, args.a_col = 1;
    args.b = dense_weight.data(), args.b_row = 1, args.b_col = in;
    args.along_k = true;
    args.bias = bias ? dense_bias->data() : nullptr;
    args.activation = activation;
    args.activation_parameter = static_cast<T>(fused_parameter(activation));
    args.c = data_of<T>(y);
    args.width = num_threads();
    run_matmul(args);
    return y;
  });
}

py::tuple linear_backward(py::handle dy_, py::handle x_, py::handle weight_, py::handle activation_, py::handle y_,
                          py::handle needs_) {
  constexpr const char* op = "linear_backward";
  const View x(op, "x", x_), weight(op, "weight", weight_), dy(op, "dy", dy_);
  const Activation activation = parse_activation(op, activation_);
  const std::vector<bool> needs = parse_needs(op, needs_, {"x", "weight", "bias"});
  x.need_float();
  x.need_rank(1);
  weight.need_like(x);
  weight.need_rank(2, 2);
  dy.need_like(x);
  const int64_t out = weight.shape[0], in = weight.shape[1], rows = rows_of(x);
  if (x.shape.back() != in)
    fail_value(op, "x", "of shape (..., " + std::to_string(in) + ") to fit weight " + to_string(weight.shape), x.got());
  Shape shape = x.shape;
  shape.back() = out;
  dy.need_shape(shape);
  return with_dtype(x, [&]<class T>() -> py::tuple {
    const FusedBackward<T> gradient(op, dy, activation, y_, c_order(x.rank()));
    const T* g = gradient.data();
    py::object dx = py::none(), dw = py::none(), db = py::none();
    MatmulArgs<T> args{};
    args.width = num_threads();
    if (needs[0]) {
      const Dense<T> dense_weight(weight, c_order(2));
      py::array result = new_array<T>(x.shape, c_order(x.rank()));
      args.m = rows, args.n = in, args.k = out;
      args.a = g, args.a_row = out, args.a_col = 1;
      args.b = dense_weight.data(), args.b_row = in, args.b_col = 1;
      args.c = data_of<T>(result);
      run_matmul(args);
      dx = result;
    }
    if (needs[1]) {
      const Dense<T> dense_x(x, c_order(x.rank()));
      py::array result = new_array<T>(weight.shape);
      args.m = out, args.n = in, args.k = rows;
      args.a = g, args.a_row = 1, args.a_col = out;
      args.b = dense_x.data(), args.b_row = in, args.b_col = 1;
      args.c = data_of<T>(result);
      run_matmul(args);
      dw = result;
    }
    if (needs[2]) {
      py::array result = new_array<T>({out});
      run_column_sums(rows, out, g, data_of<T>(result));
      db = result;
    }
    return py::make_tuple(dx, dw, db);
  });
}

}  // namespace

void bind_linear(py::module_& m) {
  define(m, "linear", &linear);
  define(m, "linear_backward", &linear_backward);
}

}  // namespace fastnn
