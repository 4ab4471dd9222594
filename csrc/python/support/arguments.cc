#include "python/support/arguments.h"

#include <cmath>

namespace fastnn {
namespace {

std::string plain(double x) {
  std::string text = py::str(py::float_(x));
  return text.size() > 2 && text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

bool is_real(py::handle value) {
  return !py::isinstance<py::array>(value) && !PyBool_Check(value.ptr()) &&
         (PyFloat_Check(value.ptr()) || PyIndex_Check(value.ptr()) || py::hasattr(value, "__float__")) &&
         !PyUnicode_Check(value.ptr());
}

}  // namespace

std::string describe(py::handle value) {
  const std::string text = py::repr(value);
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

double number(const char* op, const char* name, py::handle value) {
  if (!is_real(value)) fail_type(op, name, "a number", describe(value));
  const double x = PyFloat_AsDouble(value.ptr());
  if (x == -1.0 && PyErr_Occurred()) {
    PyErr_Clear();
    fail_type(op, name, "a number", describe(value));
  }
  if (!std::isfinite(x)) fail_value(op, name, "finite", describe(value));
  return x;
}

double number_at_least(const char* op, const char* name, py::handle value, double least) {
  const double x = number(op, name, value);
  if (x < least) fail_value(op, name, "at least " + plain(least), describe(value));
  return x;
}

double number_in(const char* op, const char* name, py::handle value, double least, double most) {
  const double x = number(op, name, value);
  if (x < least || x > most) fail_value(op, name, "in [" + plain(least) + ", " + plain(most) + "]", describe(value));
  return x;
}

int64_t integer(const char* op, const char* name, py::handle value, int64_t least) {
  if (!PyIndex_Check(value.ptr()) || PyBool_Check(value.ptr()) || py::isinstance<py::array>(value))
    fail_type(op, name, "an integer", describe(value));
  int overflow = 0;
  const py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  if (!index) throw py::error_already_set();
  const int64_t n = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
  // 2^31 bounds every window, stride and padding: sums and products of them then stay in 64 bits.
  if (overflow || n < least || n > (int64_t{1} << 31))
    fail_value(op, name, "an integer in [" + std::to_string(least) + ", 2^31]", describe(value));
  return n;
}

uint64_t word64(const char* op, const char* name, py::handle value) {
  if (!PyIndex_Check(value.ptr()) || PyBool_Check(value.ptr()) || py::isinstance<py::array>(value))
    fail_type(op, name, "an integer", describe(value));
  const py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  if (!index) throw py::error_already_set();
  const unsigned long long n = PyLong_AsUnsignedLongLong(index.ptr());
  if (PyErr_Occurred()) {
    PyErr_Clear();
    fail_value(op, name, "an integer in [0, 2^64)", describe(value));
  }
  return n;
}

bool boolean(const char* op, const char* name, py::handle value) {
  if (!PyBool_Check(value.ptr()) && std::string(Py_TYPE(value.ptr())->tp_name).find("bool") == std::string::npos)
    fail_type(op, name, "True or False", describe(value));
  return PyObject_IsTrue(value.ptr()) == 1;
}

Pair int_pair(const char* op, const char* name, py::handle value, int64_t least) {
  if (PyIndex_Check(value.ptr()) && !py::isinstance<py::array>(value)) {
    const int64_t n = integer(op, name, value, least);
    return {n, n};
  }
  if (!py::isinstance<py::sequence>(value) || py::isinstance<py::str>(value) || py::len(value) != 2)
    fail_type(op, name, "an integer or a pair of integers", describe(value));
  const auto pair = py::reinterpret_borrow<py::sequence>(value);
  return {integer(op, name, py::object(pair[0]), least), integer(op, name, py::object(pair[1]), least)};
}

Shape shape_argument(const char* op, const char* name, py::handle value, int least, int most) {
  if (!py::isinstance<py::sequence>(value) || py::isinstance<py::str>(value) || py::isinstance<py::array>(value))
    fail_type(op, name, "a tuple of sizes", describe(value));
  const auto sizes = py::reinterpret_borrow<py::sequence>(value);
  const auto rank = static_cast<int64_t>(py::len(sizes));
  if (rank < least || rank > most)
    fail_value(op, name,
               least == most ? "of length " + std::to_string(least)
                             : "of length " + std::to_string(least) + " to " + std::to_string(most),
               describe(value));
  Shape shape;
  for (py::handle size : sizes) shape.push_back(integer(op, name, size, 0));
  product(op, name, shape);
  return shape;
}

std::vector<bool> parse_needs(const char* op, py::handle needs, std::initializer_list<const char*> names) {
  std::string all;
  for (const char* name : names) all += (all.empty() ? "\"" : ", \"") + std::string(name) + "\"";
  if (py::isinstance<py::str>(needs) || !py::isinstance<py::iterable>(needs))
    fail_type(op, "needs", "a tuple of names from " + all, describe(needs));
  std::vector<bool> wanted(names.size(), false);
  for (py::handle item : needs) {
    bool known = false;
    size_t i = 0;
    for (const char* name : names) {
      if (py::isinstance<py::str>(item) && item.cast<std::string>() == name) wanted[i] = known = true;
      ++i;
    }
    if (!known) fail_value(op, "needs", "a tuple of names from " + all, describe(needs));
  }
  return wanted;
}

}  // namespace fastnn
