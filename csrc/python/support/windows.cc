#include "python/support/windows.h"

#include <algorithm>

namespace fastnn {

Padding parse_padding(const char* op, py::handle value, Pair stride, Pair reach) {
  if (py::isinstance<py::str>(value)) {
    const std::string word = value.cast<std::string>();
    if (word == "valid") return {0, 0, 0, 0};
    if (word != "same")
      fail_value(op, "padding", "an integer, (ph, pw), ((top, bottom), (left, right)), \"same\" or \"valid\"",
                 describe(value));
    if (stride.h != 1 || stride.w != 1)
      fail_value(op, "stride", "1 when padding is \"same\"", to_string(Shape{stride.h, stride.w}));
    // The smaller half in front, as PyTorch and TensorFlow do.
    return {reach.h / 2, reach.h - reach.h / 2, reach.w / 2, reach.w - reach.w / 2};
  }
  if (py::isinstance<py::sequence>(value) && py::len(value) == 2) {
    const auto pair = py::reinterpret_borrow<py::sequence>(value);
    if (py::isinstance<py::sequence>(py::object(pair[0]))) {
      const Pair rows = int_pair(op, "padding", py::object(pair[0]), 0),
                 cols = int_pair(op, "padding", py::object(pair[1]), 0);
      return {rows.h, rows.w, cols.h, cols.w};
    }
  }
  const Pair p = int_pair(op, "padding", value, 0);
  return {p.h, p.h, p.w, p.w};
}

namespace {

// Windows along one axis. Rounded up, a last one must still start inside the image or before it.
int64_t count_windows(int64_t size, int64_t before, int64_t after, int64_t reach, int64_t stride, bool ceil_mode) {
  const int64_t room = size + before + after - reach - 1;
  const int64_t last = ceil_mode ? (room + stride - 1) / stride : room / stride;
  return ceil_mode && last * stride >= size + before ? last : last + 1;
}

}  // namespace

Windows parse_windows(const char* op, const Shape& shape, py::handle kernel_, py::handle stride_, py::handle padding_,
                      Pair dilation, py::handle ceil_mode_) {
  Windows w{};
  w.kernel = int_pair(op, "kernel_size", kernel_, 1);
  w.stride = stride_.is_none() ? w.kernel : int_pair(op, "stride", stride_, 1);
  const bool ceil_mode = boolean(op, "ceil_mode", ceil_mode_);
  const Pair reach{dilation.h * (w.kernel.h - 1), dilation.w * (w.kernel.w - 1)};
  w.padding = parse_padding(op, padding_, w.stride, reach);
  const Padding p = w.padding;
  const int64_t half_h = (reach.h + 1) / 2, half_w = (reach.w + 1) / 2;
  if (std::max(p.top, p.bottom) > half_h || std::max(p.left, p.right) > half_w)
    fail_value(op, "padding", "at most half the extent of the kernel, " + to_string(Shape{half_h, half_w}),
               describe(padding_));
  const int64_t high = shape[2] + p.top + p.bottom, wide = shape[3] + p.left + p.right;
  if (high <= reach.h || wide <= reach.w)
    fail_value(op, "kernel_size", "no larger than the padded input " + to_string(Shape{high, wide}),
               "an extent of " + to_string(Shape{reach.h + 1, reach.w + 1}));
  if (w.kernel.h * w.kernel.w >= int64_t{1} << 31)
    fail_value(op, "kernel_size", "of area below 2^31", describe(kernel_));
  w.out.h = count_windows(shape[2], p.top, p.bottom, reach.h, w.stride.h, ceil_mode);
  w.out.w = count_windows(shape[3], p.left, p.right, reach.w, w.stride.w, ceil_mode);
  product(op, "the output", {shape[0], shape[1], w.out.h, w.out.w});
  return w;
}

}  // namespace fastnn
