#include "ops/fractional_max_pool2d.h"

#include "python/support/arguments.h"

namespace fastnn {
namespace {

// What the forward pass keeps for the backward pass.
struct FractionalMaxPool2dSaved {
  FractionalGeometry g;
  Dtype dtype;
  std::unique_ptr<Workspace> starts, codes;
};

// size * ratio rounded down, for one ratio or a pair of them.
Pair parse_ratio(const char* op, py::handle value, Pair size) {
  const auto scaled = [&](py::handle ratio, int64_t n) {
    const double r = number(op, "output_ratio", ratio);
    if (r <= 0 || r >= 1) fail_value(op, "output_ratio", "between 0 and 1", describe(value));
    return static_cast<int64_t>(static_cast<double>(n) * r);
  };
  if (!py::isinstance<py::tuple>(value) && !py::isinstance<py::list>(value))
    return {scaled(value, size.h), scaled(value, size.w)};
  const auto pair = py::reinterpret_borrow<py::sequence>(value);
  if (py::len(pair) != 2) fail_type(op, "output_ratio", "a number or a pair of numbers", describe(value));
  return {scaled(py::object(pair[0]), size.h), scaled(py::object(pair[1]), size.w)};
}

py::tuple fractional_max_pool2d(py::handle x_, py::handle kernel_, py::handle size_, py::handle ratio_,
                                py::handle seed_, py::handle offset_) {
  constexpr const char* op = "fractional_max_pool2d";
  const View x(op, "x", x_);
  const Pair kernel = int_pair(op, "kernel_size", kernel_, 1);
  const uint64_t seed = word64(op, "seed", seed_), offset = word64(op, "offset", offset_);
  x.need_storage();
  x.need_rank(4, 4);
  if (size_.is_none() == ratio_.is_none())
    fail_value(op, "output_size", "given, or output_ratio instead", size_.is_none() ? "neither" : "both");
  const Pair image{x.shape[2], x.shape[3]};
  const Pair out = ratio_.is_none() ? int_pair(op, "output_size", size_, 1) : parse_ratio(op, ratio_, image);
  if (out.h < 1 || out.w < 1)
    fail_value(op, "output_ratio", "large enough for one output of x " + to_string(x.shape), describe(ratio_));
  if (kernel.h * kernel.w > kMaxFractionalWindow)
    fail_value(op, "kernel_size", "of area at most " + std::to_string(kMaxFractionalWindow), describe(kernel_));
  if (kernel.h + out.h - 1 > image.h || kernel.w + out.w - 1 > image.w)
    fail_value(op, "kernel_size", "such that kernel_size + output size - 1 fits x " + to_string(x.shape),
               to_string({kernel.h, kernel.w}) + " with output size " + to_string({out.h, out.w}));
  auto saved = std::make_unique<FractionalMaxPool2dSaved>();
  saved->dtype = x.dtype;
  saved->g = {x.shape[0], x.shape[1], image.h, image.w, out.h, out.w, kernel.h, kernel.w};
  const FractionalGeometry& g = saved->g;
  return with_storage(x, [&]<class T>() -> py::tuple {
    const Dense<T> dense_x(x);
    py::array y = new_array<T>({g.n, g.c, g.oh, g.ow});
    saved->starts = std::make_unique<Workspace>(g.n * (g.oh + g.ow) * static_cast<int64_t>(sizeof(int64_t)));
    saved->codes = std::make_unique<Workspace>(y.size() + kFractionalCodeSlack);
    const FractionalMaxPool2dArgs<T> args{g,
                                          seed,
                                          offset,
                                          dense_x.data(),
                                          data_of<T>(y),
                                          static_cast<int64_t*>(saved->starts->get()),
                                          static_cast<uint8_t*>(saved->codes->get()),
                                          num_threads()};
    without_gil(2 * x.size() * static_cast<int64_t>(sizeof(T)), [&] { fractional_max_pool2d_forward(args); });
    return py::make_tuple(y, std::move(saved));
  });
}

py::array fractional_max_pool2d_backward(py::handle dy_, py::handle saved_) {
  constexpr const char* op = "fractional_max_pool2d_backward";
  const View dy(op, "dy", dy_);
  if (!py::isinstance<FractionalMaxPool2dSaved>(saved_))
    fail_type(op, "saved", "the second result of fractional_max_pool2d", describe(saved_));
  const auto& saved = saved_.cast<const FractionalMaxPool2dSaved&>();
  const FractionalGeometry& g = saved.g;
  if (dy.dtype != saved.dtype) fail_type(op, "dy", name_of(saved.dtype) + std::string(" like x"), dy.got());
  dy.need_shape({g.n, g.c, g.oh, g.ow});
  return with_storage(dy, [&]<class T>() -> py::array {
    const Dense<T> dense_dy(dy);
    py::array dx = new_array<T>({g.n, g.c, g.ih, g.iw});
    const FractionalMaxPool2dBackwardArgs<T> args{g,
                                                  dense_dy.data(),
                                                  static_cast<const int64_t*>(saved.starts->get()),
                                                  static_cast<const uint8_t*>(saved.codes->get()),
                                                  data_of<T>(dx),
                                                  num_threads()};
    without_gil(2 * dx.size() * static_cast<int64_t>(sizeof(T)), [&] { fractional_max_pool2d_input_gradient(args); });
    return dx;
  });
}

}  // namespace

void bind_fractional_max_pool2d(py::module_& m) {
  py::class_<FractionalMaxPool2dSaved>(m, "FractionalMaxPool2dSaved");
  define(m, "fractional_max_pool2d", &fractional_max_pool2d);
  define(m, "fractional_max_pool2d_backward", &fractional_max_pool2d_backward);
}

}  // namespace fastnn
