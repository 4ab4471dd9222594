#include "ops/dropout.h"

#include <cmath>

#include "python/support/arguments.h"

namespace fastnn {
namespace {

py::array dropout(const char* op, const char* argument, py::handle x_, py::handle p_, py::handle training_,
                  py::handle seed_, py::handle offset_) {
  const View x(op, argument, x_);
  const double p = number_in(op, "p", p_, 0, 1);
  const bool training = boolean(op, "training", training_);
  const uint64_t seed = word64(op, "seed", seed_), offset = word64(op, "offset", offset_);
  return with_dtype(x, [&]<class T>() -> py::array {
    const bool identity = !training || p == 0;
    if (identity && x.is_channels_last()) return py::reinterpret_borrow<py::array>(x.owner);
    const Dense<T> dense(x);
    py::array y = new_array<T>(x.shape);
    DropoutArgs<T> a{};
    a.n = x.size(), a.x = dense.data(), a.y = data_of<T>(y);
    a.threshold = identity ? 0 : static_cast<uint64_t>(std::floor(p * 4294967296.0));
    a.scale = identity ? T{1} : p == 1 ? T{0} : static_cast<T>(1 / (1 - p));
    a.seed = seed, a.offset = offset;
    a.width = num_threads();
    without_gil(3 * a.n * static_cast<int64_t>(sizeof(T)), [&] { dropout_forward(a); });
    return y;
  });
}

}  // namespace

void bind_dropout(py::module_& m) {
  m.def("dropout", [](py::handle x, py::handle p, py::handle training, py::handle seed, py::handle offset) {
    return dropout("dropout", "x", x, p, training, seed, offset);
  });
  m.def("dropout_backward", [](py::handle dy, py::handle p, py::handle training, py::handle seed, py::handle offset) {
    return dropout("dropout_backward", "dy", dy, p, training, seed, offset);
  });
}

}  // namespace fastnn
