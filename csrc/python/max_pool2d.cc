#include "ops/max_pool2d.h"

#include "python/support/windows.h"

namespace fastnn {
namespace {

// What the forward pass keeps for the backward pass.
struct MaxPool2dSaved {
  MaxPool2dGeometry g;
  Dtype dtype;
  std::unique_ptr<Workspace> codes;
};

MaxPool2dGeometry geometry(const char* op, const View& x, py::handle kernel, py::handle stride, py::handle padding,
                           py::handle dilation_, py::handle ceil_mode) {
  const Pair dilation = int_pair(op, "dilation", dilation_, 1);
  x.need_storage();
  x.need_rank(4, 4);
  if (x.shape[2] == 0 || x.shape[3] == 0) fail_value(op, "x", "of height and width 1 or more", x.got());
  const Windows w = parse_windows(op, x.shape, kernel, stride, padding, dilation, ceil_mode);
  MaxPool2dGeometry g{};
  g.n = x.shape[0], g.c = x.shape[1], g.ih = x.shape[2], g.iw = x.shape[3];
  g.kh = w.kernel.h, g.kw = w.kernel.w;
  g.stride_h = w.stride.h, g.stride_w = w.stride.w;
  g.dilation_h = dilation.h, g.dilation_w = dilation.w;
  g.pad_top = w.padding.top, g.pad_left = w.padding.left;
  g.oh = w.out.h, g.ow = w.out.w;
  g.code_bytes = g.kh * g.kw <= kMaxByteCodes ? 1 : 4;
  return g;
}

// Reads and writes, to decide on the GIL.
int64_t cost(const MaxPool2dGeometry& g) { return g.n * g.c * (g.ih * g.iw + 2 * g.oh * g.ow) * 4; }

py::tuple max_pool2d(py::handle x_, py::handle kernel, py::handle stride, py::handle padding, py::handle dilation,
                     py::handle ceil_mode) {
  constexpr const char* op = "max_pool2d";
  const View x(op, "x", x_);
  auto saved = std::make_unique<MaxPool2dSaved>();
  saved->g = geometry(op, x, kernel, stride, padding, dilation, ceil_mode);
  saved->dtype = x.dtype;
  const MaxPool2dGeometry& g = saved->g;
  return with_storage(x, [&]<class T>() -> py::tuple {
    const Dense<T> dense_x(x);
    py::array y = new_array<T>({g.n, g.c, g.oh, g.ow});
    saved->codes = std::make_unique<Workspace>(y.size() * g.code_bytes + kCodeSlack);
    MaxPool2dArgs<T> args{g, dense_x.data(), data_of<T>(y), saved->codes->get(), num_threads()};
    without_gil(cost(g), [&] { max_pool2d_forward(args); });
    return py::make_tuple(y, std::move(saved));
  });
}

py::array max_pool2d_backward(py::handle dy_, py::handle saved_) {
  constexpr const char* op = "max_pool2d_backward";
  const View dy(op, "dy", dy_);
  if (!py::isinstance<MaxPool2dSaved>(saved_))
    fail_type(op, "saved", "the second result of max_pool2d", describe(saved_));
  const auto& saved = saved_.cast<const MaxPool2dSaved&>();
  const MaxPool2dGeometry& g = saved.g;
  if (dy.dtype != saved.dtype) fail_type(op, "dy", name_of(saved.dtype) + std::string(" like x"), dy.got());
  dy.need_shape({g.n, g.c, g.oh, g.ow});
  return with_storage(dy, [&]<class T>() -> py::array {
    const Dense<T> dense_dy(dy);
    py::array dx = new_array<T>({g.n, g.c, g.ih, g.iw});
    MaxPool2dBackwardArgs<T> args{g, dense_dy.data(), saved.codes->get(), data_of<T>(dx), nullptr, num_threads()};
    const Workspace workspace(max_pool2d_input_gradient_workspace(args));
    args.workspace = workspace.get();
    without_gil(cost(g), [&] { max_pool2d_input_gradient(args); });
    return dx;
  });
}

}  // namespace

void bind_max_pool2d(py::module_& m) {
  py::class_<MaxPool2dSaved>(m, "MaxPool2dSaved");
  define(m, "max_pool2d", &max_pool2d);
  define(m, "max_pool2d_backward", &max_pool2d_backward);
}

}  // namespace fastnn
