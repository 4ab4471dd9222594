#include "python/support/loss_arguments.h"

#include <limits>

namespace fastnn {
namespace {

template <class Source>
int64_t read_integer(const char* p) {
  Source value;
  __builtin_memcpy(&value, p, sizeof value);
  // Beyond int64 is beyond any number of classes.
  return std::in_range<int64_t>(value) ? static_cast<int64_t>(value) : std::numeric_limits<int64_t>::max();
}

int64_t (*reader_of(const py::dtype& type))(const char*) {
  const bool is_signed = type.kind() == 'i';
  switch (type.itemsize()) {
    case 1:
      return is_signed ? &read_integer<int8_t> : &read_integer<uint8_t>;
    case 2:
      return is_signed ? &read_integer<int16_t> : &read_integer<uint16_t>;
    case 4:
      return is_signed ? &read_integer<int32_t> : &read_integer<uint32_t>;
    default:
      return is_signed ? &read_integer<int64_t> : &read_integer<uint64_t>;
  }
}

}  // namespace

Reduction parse_reduction(const char* op, py::handle value) {
  const std::string need = "\"mean\", \"sum\" or \"none\"";
  if (!py::isinstance<py::str>(value)) fail_type(op, "reduction", need, describe(value));
  const std::string word = value.cast<std::string>();
  if (word == "mean") return Reduction::mean;
  if (word == "sum") return Reduction::sum;
  if (word == "none") return Reduction::none;
  fail_value(op, "reduction", need, describe(value));
}

int64_t read_classes(const char* op, const View& target, int64_t c, std::optional<int64_t> ignore_index,
                     int64_t* classes) {
  const auto read = reader_of(py::reinterpret_borrow<py::array>(target.owner).dtype());
  int64_t counted = 0;
  for (int64_t i = 0; i < target.shape[0]; ++i) {
    const int64_t k = read(target.data + i * target.strides[0]);
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
