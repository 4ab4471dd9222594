#include "ops/prelu.h"

#include "python/support/arguments.h"

namespace fastnn {
namespace {

void check_weight(const View& x, const View& weight) {
  x.need_storage();
  weight.need_parameter(x);
  if (weight.shape == Shape{1}) return;
  if (x.rank() < 2) fail_value(x.op, "weight", "of shape (1,) for x of rank below 2", weight.got());
  weight.need_shape({x.shape[1]});
}

// One weight: every value is a channel's only one, in whatever order.
template <class T>
void set_geometry(const View& x, const View& weight, const Order& order, PreluArgs<T>& args) {
  args.outer = args.channels = args.inner = 1;
  const bool one = weight.shape[0] == 1;
  bool before = true;
  for (int axis : order) {
    if (axis == 1 && !one) {
      args.channels = x.shape[1];
      before = false;
    } else {
      (before ? args.outer : args.inner) *= x.shape[axis];
    }
  }
  args.width = num_threads();
}

py::array prelu(py::handle x_, py::handle weight_) {
  const View x("prelu", "x", x_), weight("prelu", "weight", weight_);
  check_weight(x, weight);
  return with_storage(x, [&]<class T>() -> py::array {
    const Order order = own_order(x);
    const Dense<T> dense(x, order);
    const Dense<Compute<T>> dense_weight(weight);
    py::array y = new_array<T>(x.shape, order);
    if (x.size() == 0) return y;
    PreluArgs<T> args{};
    set_geometry(x, weight, order, args);
    args.weight = dense_weight.data(), args.x = dense.data();
    args.y = data_of<T>(y);
    const Workspace workspace(prelu_workspace(args) + 1);
    args.workspace = workspace.get();
    without_gil(2 * x.size() * static_cast<int64_t>(sizeof(T)), [&] { prelu_forward(args); });
    return y;
  });
}

py::tuple prelu_backward(py::handle dy_, py::handle x_, py::handle weight_) {
  constexpr const char* op = "prelu_backward";
  const View x(op, "x", x_), weight(op, "weight", weight_), dy(op, "dy", dy_);
  check_weight(x, weight);
  dy.need_like(x);
  dy.need_shape(x.shape);
  return with_storage(x, [&]<class T>() -> py::tuple {
    // One order for all layouts: the sum over the values must not depend on the strides.
    const Dense<T> dense(x), dense_dy(dy);
    const Dense<Compute<T>> dense_weight(weight);
    py::array dx = new_array<T>(x.shape), dweight = new_array<Compute<T>>(weight.shape);
    PreluArgs<T> args{};
    set_geometry(x, weight, channels_last_order(x.rank()), args);
    args.weight = dense_weight.data(), args.x = dense.data(), args.dy = dense_dy.data();
    args.dx = data_of<T>(dx), args.dweight = data_of<Compute<T>>(dweight);
    const Workspace workspace(prelu_workspace(args) + 1);
    args.workspace = workspace.get();
    without_gil(3 * x.size() * static_cast<int64_t>(sizeof(T)), [&] { prelu_backward(args); });
    return py::make_tuple(dx, dweight);
  });
}

}  // namespace

void bind_prelu(py::module_& m) {
  define(m, "prelu", [](py::handle x, py::handle weight) { return prelu(x, weight); });
  define(m, "prelu_backward",
         [](py::handle dy, py::handle x, py::handle weight) { return prelu_backward(dy, x, weight); });
}

}  // namespace fastnn
