// CUDA arrays of libraries that offer DLPack alone.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "python/support/device_call.h"

namespace fastnn {

// What a DLPack capsule says, in NumPy's terms. It is not consumed: it must live as long as the memory is used, and
// gives the memory back when it dies.
struct DlpackMemory {
  std::string dtype;  // "V2" is bfloat16
  py::tuple shape, strides;
  uintptr_t pointer;
  bool writable;
};
// Device memory that is another library's as long as the capsule lives.
struct CapsuleMemory : DeviceMemory {
  py::capsule capsule;
};

DlpackMemory read_dlpack(const py::capsule& capsule);

}  // namespace fastnn
