#include "python/support/device_call.h"

#include <pybind11/stl.h>

#include "core/device.h"
#include "python/support/dlpack.h"

namespace fastnn {
namespace {

// fastnn/cuda/_libraries.py: how each array library allocates and what its current stream is.
py::object libraries() { return py::module_::import("fastnn.cuda._libraries"); }

py::array numpy_over(const char* dtype, py::handle shape, py::handle strides, uintptr_t pointer, bool writable,
                     py::object owner) {
  const auto sizes = shape.cast<std::vector<py::ssize_t>>();
  // An empty array may have no address; NumPy would then allocate one.
  void* data = reinterpret_cast<void*>(pointer ? pointer : 64);
  const py::dtype type{std::string(dtype)};
  py::array array = strides.is_none() ? py::array(type, sizes, data, owner)
                                      : py::array(type, sizes, strides.cast<std::vector<py::ssize_t>>(), data, owner);
  if (!writable) array.attr("setflags")(py::arg("write") = false);
  return array;
}

constinit thread_local void* t_stream = nullptr;  // that of this thread's call, once an array has decided it

// Of an array that its library describes by DLPack alone.
py::object over_capsule(py::handle array) {
  py::object stream = py::none();
  if (const DeviceCall* call = DeviceCall::current(); call && call->device() != DeviceCall::kUnknown)
    stream = py::int_(call->on_device() ? reinterpret_cast<uintptr_t>(t_stream) : 0);
  const py::object found = libraries().attr("capsule_of")(array, stream);
  if (found.is_none()) return {};
  const auto [capsule, device, writable] = found.cast<std::tuple<py::capsule, int, bool>>();
  const DlpackMemory memory = read_dlpack(capsule);
  const py::object owner = py::cast(CapsuleMemory{{py::reinterpret_borrow<py::object>(array), device}, capsule});
  return numpy_over(memory.dtype.c_str(), memory.shape, memory.strides, memory.pointer, writable && memory.writable,
                    owner);
}

}  // namespace

py::object over_device_memory(py::handle array) {
  const py::object found = libraries().attr("describe")(array);
  if (found.is_none()) return over_capsule(array);
  const auto [dtype, shape, strides, pointer, writable, device] =
      found.cast<std::tuple<std::string, py::tuple, py::object, uintptr_t, bool, int>>();
  const py::object owner = py::cast(DeviceMemory{py::reinterpret_borrow<py::object>(array), device});
  return numpy_over(dtype.c_str(), shape, strides, pointer, writable, owner);
}

const DeviceMemory* device_memory_of(const py::array& array) {
  // A view of such an array has that array as its base.
  for (py::handle base = array.base(); base; base = py::reinterpret_borrow<py::array>(base).base()) {
    if (py::isinstance<DeviceMemory>(base)) return base.cast<const DeviceMemory*>();
    if (!py::isinstance<py::array>(base)) break;
  }
  return nullptr;
}

constinit thread_local DeviceCall* t_device_call = nullptr;

void DeviceCall::end() const {
  leave_device();
  if (outer_ && outer_->on_device()) enter_device(outer_->device_, t_stream = outer_->stream_);
}

bool DeviceCall::enter(const char* role, const DeviceMemory* memory) {
  const int device = memory ? memory->device : kCpu;
  if (device_ == kUnknown) {
    if (memory) {
      py::tuple found = libraries().attr("library_and_stream")(memory->array, device);
      library_ = found[0];
      stream_ = reinterpret_cast<void*>(found[1].cast<uintptr_t>());
      enter_device(device, t_stream = stream_);
    }
    device_ = device;
    role_ = role;
  }
  return device_ == device;
}

py::array DeviceCall::empty(const py::tuple& shape, const py::tuple& order, const char* dtype) const {
  const py::object array = library_.attr("empty")(shape, order, dtype, device_);
  return over_device_memory(array);
}

py::object DeviceCall::unwrapped(py::handle result) {
  if (py::isinstance<py::tuple>(result)) {
    const auto items = py::reinterpret_borrow<py::tuple>(result);
    py::tuple out(items.size());
    for (size_t i = 0; i < items.size(); ++i) out[i] = unwrapped(items[i]);
    return out;
  }
  if (py::isinstance<py::array>(result)) {
    const auto array = py::reinterpret_borrow<py::array>(result);
    if (const DeviceMemory* memory = device_memory_of(array)) {
      if (py::isinstance<DeviceMemory>(array.base())) return memory->array;
      return libraries().attr("reshaped")(memory->array, array.attr("shape"));
    }
  }
  return py::reinterpret_borrow<py::object>(result);
}

std::string device_name(int device) {
  return device == DeviceCall::kCpu ? "the CPU" : "cuda:" + std::to_string(device);
}

}  // namespace fastnn
