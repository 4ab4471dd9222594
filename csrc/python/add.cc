#include "ops/add.h"

#include "python/support/arrays.h"

namespace fastnn {
namespace {

py::array call_add(py::handle x_, py::handle other_) {
  const View x("add", "x", x_), other("add", "other", other_);
  x.need_storage();
  other.need_like(x);
  other.need_shape(x.shape);
  return with_storage(x, [&]<class T>() -> py::array {
    const Order order = own_order(x);
    const Dense<T> dense_x(x, order), dense_other(other, order);
    py::array y = new_array<T>(x.shape, order);
    const AddArgs<T> args{x.size(), dense_x.data(), dense_other.data(), data_of<T>(y), num_threads()};
    without_gil(3 * args.n * static_cast<int64_t>(sizeof(T)), [&] { add(args); });
    return y;
  });
}

}  // namespace

void bind_add(py::module_& m) { define(m, "add", &call_add); }

}  // namespace fastnn
