// The extension module: every binding file adds its own functions.
#include <pybind11/pybind11.h>

#define FASTNN_BINDER(stem) void bind_##stem(pybind11::module_& m);
namespace fastnn {
#include "binders.inc"
}
#undef FASTNN_BINDER

PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
  m.doc() = "The compiled kernels of fastnn. Use them through fastnn.functional.";
#define FASTNN_BINDER(stem) fastnn::bind_##stem(m);
#include "binders.inc"
#undef FASTNN_BINDER
}
