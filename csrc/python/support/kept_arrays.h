// Arrays that an op keeps for its backward pass, dense in the given order of axes.
#pragma once

#include "core/device.h"
#include "python/support/arrays.h"

namespace fastnn {

// The array itself if it is dense, else a copy that is.
template <class T>
py::array dense_array(const View& view, const Order& order) {
  if (view.is_aligned() && view.is_dense_in(order)) return py::reinterpret_borrow<py::array>(view.owner);
  py::array copy = new_array<T>(view.shape, order);
  copy_elements(view, order, data_of<T>(copy));
  return copy;
}
template <class T>
py::array dense_array(const View& view) {
  return dense_array<T>(view, channels_last_order(view.rank()));
}

template <class T>
py::object dense_or_none(const std::optional<View>& view) {
  return view ? py::object(dense_array<T>(*view, c_order(view->rank()))) : py::none();
}

template <class T>
const T* data_or_null(const py::object& array) {
  return array.is_none() ? nullptr : static_cast<const T*>(py::reinterpret_borrow<py::array>(array).data());
}

// An array that the call updates. On the CPU any strides will do; on a device the kernel itself writes.
inline void need_updatable(const View& view) {
  view.need_writable();
  if (on_device() && !(view.is_aligned() && view.is_dense_in(c_order(view.rank()))))
    fail_value(view.op, view.name(), "contiguous on a CUDA device, where it is updated in place", "a strided array");
}

// A new array of the shape of an optional one, or None; `data` is where it lies.
template <class T>
py::object new_like(const py::object& array, T*& data) {
  if (array.is_none()) return py::none();
  const auto like = py::reinterpret_borrow<py::array>(array);
  Shape shape;
  for (int i = 0; i < like.ndim(); ++i) shape.push_back(like.shape(i));
  py::array result = new_array<T>(shape, c_order(shape.size()));
  data = data_of<T>(result);
  return result;
}

}  // namespace fastnn
