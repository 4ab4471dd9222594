#include "ops/avg_pool2d.h"

#include "python/support/windows.h"

namespace fastnn {
namespace {

AvgPool2dGeometry geometry(const char* op, const Shape& shape, py::handle kernel, py::handle stride, py::handle padding,
                           py::handle ceil_mode, py::handle count_include_pad, py::handle divisor) {
  const Windows w = parse_windows(op, shape, kernel, stride, padding, {1, 1}, ceil_mode);
  AvgPool2dGeometry g{};
  g.n = shape[0], g.c = shape[1], g.ih = shape[2], g.iw = shape[3];
  g.oh = w.out.h, g.ow = w.out.w, g.kh = w.kernel.h, g.kw = w.kernel.w;
  g.stride_h = w.stride.h, g.stride_w = w.stride.w;
  g.pad_top = w.padding.top, g.pad_left = w.padding.left;
  g.pad_bottom = w.padding.bottom, g.pad_right = w.padding.right;
  g.count_padding = boolean(op, "count_include_pad", count_include_pad);
  g.divisor = divisor.is_none() ? 0 : integer(op, "divisor_override", divisor, 1);
  return g;
}

template <class T>
int64_t traffic(const AvgPool2dGeometry& g) {
  return g.n * g.c * (g.ih * g.iw + g.oh * g.ow) * static_cast<int64_t>(sizeof(T));
}

py::array avg_pool2d(py::handle x_, py::handle kernel, py::handle stride, py::handle padding, py::handle ceil_mode,
                     py::handle count_include_pad, py::handle divisor) {
  constexpr const char* op = "avg_pool2d";
  const View x(op, "x", x_);
  x.need_storage();
  x.need_rank(4, 4);
  if (x.shape[2] == 0 || x.shape[3] == 0) fail_value(op, "x", "of height and width 1 or more", x.got());
  const AvgPool2dGeometry g = geometry(op, x.shape, kernel, stride, padding, ceil_mode, count_include_pad, divisor);
  return with_storage(x, [&]<class T>() -> py::array {
    const Dense<T> dense_x(x);
    py::array y = new_array<T>({g.n, g.c, g.oh, g.ow});
    AvgPool2dArgs<T> args{g, dense_x.data(), data_of<T>(y), nullptr, num_threads()};
    const Workspace workspace(avg_pool2d_workspace(args));
    args.workspace = workspace.get();
    without_gil(traffic<T>(g), [&] { avg_pool2d_forward(args); });
    return y;
  });
}

py::array avg_pool2d_backward(py::handle dy_, py::handle x_shape, py::handle kernel, py::handle stride,
                              py::handle padding, py::handle ceil_mode, py::handle count_include_pad,
                              py::handle divisor) {
  constexpr const char* op = "avg_pool2d_backward";
  const View dy(op, "dy", dy_);
  dy.need_storage();
  const Shape shape = shape_argument(op, "x_shape", x_shape, 4, 4);
  if (shape[2] == 0 || shape[3] == 0) fail_value(op, "x_shape", "of height and width 1 or more", to_string(shape));
  const AvgPool2dGeometry g = geometry(op, shape, kernel, stride, padding, ceil_mode, count_include_pad, divisor);
  dy.need_shape({g.n, g.c, g.oh, g.ow});
  return with_storage(dy, [&]<class T>() -> py::array {
    const Dense<T> dense_dy(dy);
    py::array dx = new_array<T>(shape);
    AvgPool2dArgs<T> args{g, dense_dy.data(), data_of<T>(dx), nullptr, num_threads()};
    const Workspace workspace(avg_pool2d_input_gradient_workspace(args));
    args.workspace = workspace.get();
    without_gil(traffic<T>(g), [&] { avg_pool2d_input_gradient(args); });
    return dx;
  });
}

}  // namespace

void bind_avg_pool2d(py::module_& m) {
  define(m, "avg_pool2d", &avg_pool2d);
  define(m, "avg_pool2d_backward", &avg_pool2d_backward);
}

}  // namespace fastnn
