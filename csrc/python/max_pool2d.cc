#include "ops/max_pool2d.h"

#include "python/support/windows.h"

namespace fastnn {
namespace {

// What the forward pass keeps for the backward pass.
struct MaxPool2dSaved {
  MaxPool2dGeometry g;
  Dtype dtype;
  std::unique_ptr<Buffer> codes;
};

// Windows along one axis. Rounded up, a last one must still start inside the image or before it.
int64_t count_windows(int64_t size, int64_t before, int64_t after, int64_t reach, int64_t stride, bool ceil_mode) {
  const int64_t room = size + before + after - reach - 1;
  const int64_t last = ceil_mode ? (room + stride - 1) / stride : room / stride;
  return ceil_mode && last * stride >= size + before ? last : last + 1;
}

MaxPool2dGeometry geometry(const char* op, const View& x, py::handle kernel_, py::handle stride_, py::handle padding_,
                           py::handle dilation_, py::handle ceil_mode_) {
  const Pair kernel = int_pair(op, "kernel_size", kernel_, 1);
  const Pair stride = stride_.is_none() ? kernel : int_pair(op, "stride", stride_, 1);
  const Pair dilation = int_pair(op, "dilation", dilation_, 1);
  const bool ceil_mode = boolean(op, "ceil_mode", ceil_mode_);
  x.need_float();
  x.need_rank(4, 4);
  MaxPool2dGeometry g{};
  g.n = x.shape[0], g.c = x.shape[1], g.ih = x.shape[2], g.iw = x.shape[3];
  if (g.ih == 0 || g.iw == 0) fail_value(op, "x", "of height and width 1 or more", x.got());
  const Pair reach{dilation.h * (kernel.h - 1), dilation.w * (kernel.w - 1)};
  const Padding padding = parse_padding(op, padding_, stride, reach);
  const int64_t half_h = (reach.h + 1) / 2, half_w = (reach.w + 1) / 2;
  if (std::max(padding.top, padding.bottom) > half_h || std::max(padding.left, padding.right) > half_w)
    fail_value(op, "padding", "at most half the extent of the kernel, " + to_string(Shape{half_h, half_w}),
               describe(padding_));
  const int64_t high = g.ih + padding.top + padding.bottom, wide = g.iw + padding.left + padding.right;
  if (high <= reach.h || wide <= reach.w)
    fail_value(op, "kernel_size", "no larger than the padded input " + to_string(Shape{high, wide}),
               "an extent of " + to_string(Shape{reach.h + 1, reach.w + 1}));
  g.kh = kernel.h, g.kw = kernel.w;
  if (g.kh * g.kw >= int64_t{1} << 31) fail_value(op, "kernel_size", "of area below 2^31", describe(kernel_));
  g.stride_h = stride.h, g.stride_w = stride.w;
  g.dilation_h = dilation.h, g.dilation_w = dilation.w;
  g.pad_top = padding.top, g.pad_left = padding.left;
  g.oh = count_windows(g.ih, padding.top, padding.bottom, reach.h, stride.h, ceil_mode);
  g.ow = count_windows(g.iw, padding.left, padding.right, reach.w, stride.w, ceil_mode);
  g.code_bytes = g.kh * g.kw <= kMaxByteCodes ? 1 : 4;
  product(op, "the output", {g.n, g.c, g.oh, g.ow});
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
  return with_dtype(x, [&]<class T>() -> py::tuple {
    const Dense<T> dense_x(x);
    py::array y = new_array<T>({g.n, g.c, g.oh, g.ow});
    saved->codes = std::make_unique<Buffer>(y.size() * g.code_bytes + kCodeSlack);
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
  if (dy.dtype != saved.dtype)
    fail_type(op, "dy", saved.dtype == Dtype::f32 ? "float32 like x" : "float64 like x", dy.got());
  dy.need_shape({g.n, g.c, g.oh, g.ow});
  return with_dtype(dy, [&]<class T>() -> py::array {
    const Dense<T> dense_dy(dy);
    py::array dx = new_array<T>({g.n, g.c, g.ih, g.iw});
    MaxPool2dBackwardArgs<T> args{g, dense_dy.data(), saved.codes->get(), data_of<T>(dx), nullptr, num_threads()};
    const Buffer workspace(max_pool2d_input_gradient_workspace(args));
    args.workspace = workspace.get();
    without_gil(cost(g), [&] { max_pool2d_input_gradient(args); });
    return dx;
  });
}

}  // namespace

void bind_max_pool2d(py::module_& m) {
  py::class_<MaxPool2dSaved>(m, "MaxPool2dSaved");
  m.def("max_pool2d", &max_pool2d);
  m.def("max_pool2d_backward", &max_pool2d_backward);
}

}  // namespace fastnn
