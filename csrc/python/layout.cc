#include "python/support/arguments.h"

namespace fastnn {
namespace {

py::array channels_last(py::handle x_) {
  const View x("channels_last", "x", x_);
  return with_dtype(x, [&]<class T>() -> py::array {
    if (x.is_aligned() && x.is_channels_last()) return py::reinterpret_borrow<py::array>(x.owner);
    py::array y = new_array<T>(x.shape);
    copy_elements(x, channels_last_order(x.rank()), data_of<T>(y));
    return y;
  });
}

bool is_channels_last(py::handle x_) {
  const View x("is_channels_last", "x", x_);
  x.need_float();
  return x.is_aligned() && x.is_channels_last();
}

// (N, the product of the rest), which is 1 for an empty rest.
Shape flat_shape(const Shape& shape) {
  int64_t features = 1;
  for (int i = 1; i < shape.size(); ++i) features *= shape[i];
  return {shape[0], features};
}

py::array flatten(py::handle x_) {
  const View x("flatten", "x", x_);
  x.need_float();
  x.need_rank(1);
  return with_dtype(x, [&]<class T>() -> py::array {
    const Shape shape = flat_shape(x.shape);
    if (x.is_aligned() && x.is_dense_in(c_order(x.rank())))
      return py::reinterpret_borrow<py::array>(x.owner).reshape({shape[0], shape[1]});
    py::array y = new_array<T>(shape);
    copy_elements(x, c_order(x.rank()), data_of<T>(y));
    return y;
  });
}

py::array flatten_backward(py::handle dy_, py::handle x_shape_) {
  constexpr const char* op = "flatten_backward";
  const View dy(op, "dy", dy_);
  dy.need_float();
  const Shape shape = shape_argument(op, "x_shape", x_shape_, 1);
  dy.need_shape(flat_shape(shape));
  return with_dtype(dy, [&]<class T>() -> py::array {
    // dy's rows as an array of x's shape, by its strides.
    const Dense<T> dense(dy);
    View rows = dy;
    rows.shape = shape;
    rows.strides = Shape(shape.size());
    rows.data = reinterpret_cast<char*>(const_cast<T*>(dense.data()));
    int64_t stride = sizeof(T);
    for (int i = shape.size() - 1; i >= 0; --i) {
      rows.strides[i] = stride;
      stride *= shape[i];
    }
    py::array dx = new_array<T>(shape);
    copy_elements(rows, channels_last_order(shape.size()), data_of<T>(dx));
    return dx;
  });
}

}  // namespace

void bind_layout(py::module_& m) {
  define(m, "channels_last", &channels_last, py::arg("x"));
  define(m, "flatten", &flatten);
  define(m, "flatten_backward", &flatten_backward);
  define(m, "is_channels_last", &is_channels_last, py::arg("x"));
}

}  // namespace fastnn
