// The target beyond the CPU: whether this thread's call works on a device's arrays, and the library, loaded
// at run time, that holds the device's kernels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/storage.h"

namespace fastnn {

// Loads the library; says why it cannot be used, or nothing.
std::string load_device_library(const char* path);

// Where the loaded library may find cuBLASLt: paths, tried in this order when the first product is asked for.
void offer_cublas_lt(const std::vector<std::string>& paths);

// The same for cuDNN, which takes convolutions of this many multiply-adds and more.
void offer_cudnn(const std::vector<std::string>& paths, int64_t least_work);

// What became of it: the path, and what stood in its way last; version 0: none is open.
struct CudnnState {
  std::string path, problem;
  int64_t version, ran, own;  // convolutions that ran there, and that our kernels had to take
};
CudnnState cudnn_state();

// The calls of this thread go to the device's kernels, on its stream, until leave_device.
void enter_device(int device, void* stream);
void leave_device();
bool on_device();

// The address of a kernel for elements of this type; throws std::runtime_error if there is none.
void* find_device_kernel(const char* name, Element element);

}  // namespace fastnn
