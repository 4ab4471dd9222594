#include "core/device.h"

#include <dlfcn.h>

#include <stdexcept>

namespace fastnn {
namespace {

// What csrc/cuda/registry.cu exports.
struct Library {
  const char* (*problem)();  // why no device can be used, or null
  void* (*kernel)(const char* name, int64_t element_bytes);
  void (*enter)(int device, void* stream);
};
Library g_library{};

// No call to find it: every kernel call asks.
__attribute__((tls_model("initial-exec"))) constinit thread_local bool t_on_device = false;

}  // namespace

std::string load_device_library(const char* path) {
  if (!g_library.kernel) {
    void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return dlerror();
    Library library{};
    library.problem = reinterpret_cast<const char* (*)()>(dlsym(handle, "fastnn_cuda_problem"));
    library.kernel = reinterpret_cast<void* (*)(const char*, int64_t)>(dlsym(handle, "fastnn_cuda_kernel"));
    library.enter = reinterpret_cast<void (*)(int, void*)>(dlsym(handle, "fastnn_cuda_enter"));
    if (!library.problem || !library.kernel || !library.enter) return std::string(path) + " is no library of kernels";
    g_library = library;
  }
  const char* problem = g_library.problem();
  return problem ? problem : "";
}

void enter_device(int device, void* stream) {
  if (!g_library.enter) throw std::runtime_error("the CUDA kernels are not loaded");
  g_library.enter(device, stream);
  t_on_device = true;
}
void leave_device() { t_on_device = false; }
bool on_device() { return t_on_device; }

void* find_device_kernel(const char* name, int64_t element_bytes) {
  void* kernel = g_library.kernel ? g_library.kernel(name, element_bytes) : nullptr;
  if (!kernel) throw std::runtime_error(std::string(name) + " has no CUDA kernel for this dtype");
  return kernel;
}

}  // namespace fastnn
