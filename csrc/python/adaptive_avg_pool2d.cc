#include "ops/adaptive_avg_pool2d.h"

#include "python/support/arguments.h"

namespace fastnn {
namespace {

// n, or (rows, columns) where None keeps the size of x.
Pair parse_size(const char* op, py::handle value, const View& x) {
  Pair size{x.shape[2], x.shape[3]};
  if (!py::isinstance<py::tuple>(value) && !py::isinstance<py::list>(value))
    return int_pair(op, "output_size", value, 0);
  const auto pair = py::reinterpret_borrow<py::sequence>(value);
  if (py::len(pair) != 2) fail_type(op, "output_size", "an integer or a pair of integers", describe(value));
  const py::object rows = pair[0], cols = pair[1];
  if (!rows.is_none()) size.h = integer(op, "output_size", rows, 0);
  if (!cols.is_none()) size.w = integer(op, "output_size", cols, 0);
  return size;
}

Shape parse_x_shape(const char* op, py::handle value) {
  const Shape shape = shape_argument(op, "x_shape", value, 4, 4);
  if (shape[2] == 0 || shape[3] == 0) fail_value(op, "x_shape", "of height and width 1 or more", to_string(shape));
  return shape;
}

py::array adaptive_avg_pool2d(py::handle x_, py::handle output_size) {
  constexpr const char* op = "adaptive_avg_pool2d";
  const View x(op, "x", x_);
  x.need_storage();
  x.need_rank(4, 4);
  if (x.shape[2] == 0 || x.shape[3] == 0) fail_value(op, "x", "of height and width 1 or more", x.got());
  const Pair size = parse_size(op, output_size, x);
  const Shape shape{x.shape[0], x.shape[1], size.h, size.w};
  product(op, "the output", shape);
  return with_storage(x, [&]<class T>() -> py::array {
    const Dense<T> dense_x(x);
    py::array y = new_array<T>(shape);
    AdaptiveAvgPool2dArgs<T> args{shape[0], shape[1],       x.shape[2],    x.shape[3], size.h,
                                  size.w,   dense_x.data(), data_of<T>(y), nullptr,    num_threads()};
    const Workspace workspace(adaptive_avg_pool2d_workspace(args));
    args.workspace = workspace.get();
    without_gil((x.size() + y.size()) * static_cast<int64_t>(sizeof(T)), [&] { adaptive_avg_pool2d_forward(args); });
    return y;
  });
}

py::array adaptive_avg_pool2d_backward(py::handle dy_, py::handle x_shape) {
  constexpr const char* op = "adaptive_avg_pool2d_backward";
  const View dy(op, "dy", dy_);
  dy.need_storage();
  dy.need_rank(4, 4);
  const Shape shape = parse_x_shape(op, x_shape);
  const int64_t oh = dy.shape[2], ow = dy.shape[3];
  dy.need_shape({shape[0], shape[1], oh, ow});
  return with_storage(dy, [&]<class T>() -> py::array {
    const Dense<T> dense_dy(dy);
    py::array dx = new_array<T>(shape);
    AdaptiveAvgPool2dBackwardArgs<T> args{shape[0], shape[1],        shape[2],       shape[3], oh,
                                          ow,       dense_dy.data(), data_of<T>(dx), nullptr,  num_threads()};
    const Workspace workspace(adaptive_avg_pool2d_input_gradient_workspace(args));
    args.workspace = workspace.get();
    without_gil((dx.size() + dy.size()) * static_cast<int64_t>(sizeof(T)),
                [&] { adaptive_avg_pool2d_input_gradient(args); });
    return dx;
  });
}

}  // namespace

void bind_adaptive_avg_pool2d(py::module_& m) {
  define(m, "adaptive_avg_pool2d", &adaptive_avg_pool2d);
  define(m, "adaptive_avg_pool2d_backward", &adaptive_avg_pool2d_backward);
}

}  // namespace fastnn
