#include "python/support/loss_arguments.h"

namespace fastnn {

Reduction parse_reduction(const char* op, py::handle value) {
  const std::string need = "\"mean\", \"sum\" or \"none\"";
  if (!py::isinstance<py::str>(value)) fail_type(op, "reduction", need, describe(value));
  const std::string word = value.cast<std::string>();
  if (word == "mean") return Reduction::mean;
  if (word == "sum") return Reduction::sum;
  if (word == "none") return Reduction::none;
  fail_value(op, "reduction", need, describe(value));
}

Integers integers_of(const View& target) {
  const py::dtype type = py::reinterpret_borrow<py::array>(target.owner).dtype();
  return {target.data, target.strides[0], static_cast<int>(type.itemsize()), type.kind() == 'i'};
}

int64_t read_classes(const char* op, const View& target, int64_t c, std::optional<int64_t> ignore_index,
                     int64_t* classes) {
  const Integers read = integers_of(target);
  int64_t counted = 0;
  for (int64_t i = 0; i < target.shape[0]; ++i) {
    const int64_t k = read[i];
    if (ignore_index && k == *ignore_index) {
      classes[i] = -1;
      continue;
    }
    if (k < 0 || k >= c)
      fail_value(op, "target", "classes in [0, " + std::to_string(c) + ")" + (ignore_index ? " or ignore_index" : ""),
                 std::to_string(k));
    classes[i] = k;
    ++counted;
  }
  return counted;
}

}  // namespace fastnn
