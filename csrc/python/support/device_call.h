// Calls on a device's arrays. A binding sees such an array as a NumPy array over device memory, whose elements
// nobody may touch from here; what it returns goes back to the library that the caller's arrays come from.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <utility>

namespace fastnn {

namespace py = pybind11;

// Device memory that a NumPy array stands for: its base. Keeps the library's array alive.
struct DeviceMemory {
  py::object array;
  int device;
};

// The NumPy array that stands for another library's CUDA array; null if `array` is none.
py::object over_device_memory(py::handle array);
// The device memory that a NumPy array stands for, or null.
const DeviceMemory* device_memory_of(const py::array& array);

class DeviceCall;
extern __attribute__((tls_model("initial-exec"))) constinit thread_local DeviceCall* t_device_call;

// One call from Python: where its arrays live. The first array decides.
class DeviceCall {
 public:
  DeviceCall() : outer_(std::exchange(t_device_call, this)) {}
  ~DeviceCall() {
    t_device_call = outer_;
    if (on_device()) end();
  }
  DeviceCall(const DeviceCall&) = delete;
  DeviceCall& operator=(const DeviceCall&) = delete;
  static DeviceCall* current() { return t_device_call; }

  static constexpr int kUnknown = -2, kCpu = -1;
  // Notes where an argument lives; returns false if that is not where the call's first array does.
  bool enter(const char* role, const DeviceMemory* memory);
  bool on_device() const { return device_ >= 0; }
  const char* first_role() const { return role_; }
  int device() const { return device_; }

  // A new array of the caller's library, dense in the order of axes given, as a NumPy array over its memory.
  py::array empty(const py::tuple& shape, const py::tuple& order, const char* dtype) const;

  // The libraries' own arrays in place of the NumPy arrays over their memory.
  template <class R>
  R returned(R&& result) const {
    if constexpr (std::is_base_of_v<py::handle, std::remove_cvref_t<R>>) {
      if (on_device()) return py::reinterpret_steal<std::remove_cvref_t<R>>(unwrapped(result).release());
    }
    return std::forward<R>(result);
  }

 private:
  void end() const;
  static py::object unwrapped(py::handle result);
  DeviceCall* outer_;
  int device_ = kUnknown;
  const char* role_ = "";
  void* stream_ = nullptr;
  py::object library_;
};

std::string device_name(int device);  // "the CPU" or "cuda:0"

// m.def for a function that takes arrays: the one place that opens a DeviceCall.
template <class R, class... A, class F, class... Extra>
void define_as(R (*)(A...), py::module_& m, const char* name, F f, const Extra&... extra) {
  m.def(
      name,
      [f](A... args) -> R {
        const DeviceCall call;
        if constexpr (std::is_void_v<R>)
          f(std::forward<A>(args)...);
        else
          return call.returned(f(std::forward<A>(args)...));
      },
      extra...);
}
template <class F, class... Extra>
void define(py::module_& m, const char* name, F f, const Extra&... extra) {
  using Signature = py::detail::function_signature_t<F>;
  define_as(static_cast<Signature*>(nullptr), m, name, std::move(f), extra...);
}

}  // namespace fastnn
