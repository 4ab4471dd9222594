#include "python/support/windows.h"

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

}  // namespace fastnn
