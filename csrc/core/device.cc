#include "core/device.h"

#include <dlfcn.h>

#include <stdexcept>

namespace fastnn {
namespace {

// What csrc/cuda/registry.cu exports.
struct Library {
  const char* (*problem)();  // why no device can be used, or null
  void* (*kernel)(const char* name, Element element);
  void (*enter)(int device, void* stream);
  void (*offer_cublas_lt)(const char* const* paths, int count);  // exported by csrc/cuda/cublas_lt.cu
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
    library.kernel = reinterpret_cast<void* (*)(const char*, Element)>(dlsym(handle, "fastnn_cuda_kernel"));
    library.enter = reinterpret_cast<void (*)(int, void*)>(dlsym(handle, "fastnn_cuda_enter"));
    library.offer_cublas_lt =
        reinterpret_cast<void (*)(const char* const*, int)>(dlsym(handle, "fastnn_cuda_offer_cublas_lt"));
    if (!library.problem || !library.kernel || !library.enter || !library.offer_cublas_lt)
      return std::string(path) + " is no library of kernels";
    g_library = library;
  }
  const char* problem = g_library.problem();
  return problem ? problem : "";
}

void offer_cublas_lt(const std::vector<std::string>& paths) {
  if (!g_library.offer_cublas_lt) throw std::runtime_error("the CUDA kernels are not loaded");
  std::vector<const char*> names;
  for (const std::string& path : paths) names.push_back(path.c_str());
  g_library.offer_cublas_lt(names.data(), static_cast<int>(names.size()));
}

void enter_device(int device, void* stream) {
  if (!g_library.enter) throw std::runtime_error("the CUDA kernels are not loaded");
  g_library.enter(device, stream);
  t_on_device = true;
}
void leave_device() { t_on_device = false; }
bool on_device() { return t_on_device; }

void* find_device_kernel(const char* name, Element element) {
  void* kernel = g_library.kernel ? g_library.kernel(name, element) : nullptr;
  if (!kernel) throw std::runtime_error(std::string(name) + " has no CUDA kernel for this dtype");
  return kernel;
}

}  // namespace fastnn
