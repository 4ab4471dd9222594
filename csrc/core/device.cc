#include "core/device.h"

#include <dlfcn.h>

#include <stdexcept>

#include "core/step_inputs.h"

namespace fastnn {
namespace {

// What csrc/cuda/registry.cu exports.
struct Library {
  const char* (*problem)();  // why no device can be used, or null
  void* (*kernel)(const char* name, Element element);
  void (*enter)(int device, void* stream);
  void (*offer_cublas_lt)(const char* const* paths, int count);                  // exported by csrc/cuda/cublas_lt.cu
  void (*offer_cudnn)(const char* const* paths, int count, int64_t least_work);  // by csrc/cuda/cudnn.cu
  void (*cudnn_state)(int64_t numbers[3], char* path, char* problem);
  void (*use_step_inputs)(StepInputs*);  // exported by csrc/cuda/step_inputs.cu
  void (*send_step_inputs)(const StepInputs*);
};
Library g_library{};

// No call to find it: every kernel call asks.
__attribute__((tls_model("initial-exec"))) constinit thread_local bool t_on_device = false;

std::vector<const char*> pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> found;
  for (const std::string& text : texts) found.push_back(text.c_str());
  return found;
}

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
    library.offer_cudnn =
        reinterpret_cast<void (*)(const char* const*, int, int64_t)>(dlsym(handle, "fastnn_cuda_offer_cudnn"));
    library.cudnn_state = reinterpret_cast<void (*)(int64_t*, char*, char*)>(dlsym(handle, "fastnn_cuda_cudnn_state"));
    library.use_step_inputs = reinterpret_cast<void (*)(StepInputs*)>(dlsym(handle, "fastnn_cuda_use_step_inputs"));
    library.send_step_inputs =
        reinterpret_cast<void (*)(const StepInputs*)>(dlsym(handle, "fastnn_cuda_send_step_inputs"));
    if (!library.problem || !library.kernel || !library.enter || !library.offer_cublas_lt || !library.offer_cudnn ||
        !library.cudnn_state || !library.use_step_inputs || !library.send_step_inputs)
      return std::string(path) + " is no library of kernels";
    g_library = library;
  }
  const char* problem = g_library.problem();
  return problem ? problem : "";
}

void offer_cublas_lt(const std::vector<std::string>& paths) {
  if (!g_library.offer_cublas_lt) throw std::runtime_error("the CUDA kernels are not loaded");
  const auto names = pointers(paths);
  g_library.offer_cublas_lt(names.data(), static_cast<int>(names.size()));
}

void offer_cudnn(const std::vector<std::string>& paths, int64_t least_work) {
  if (!g_library.offer_cudnn) throw std::runtime_error("the CUDA kernels are not loaded");
  const auto names = pointers(paths);
  g_library.offer_cudnn(names.data(), static_cast<int>(names.size()), least_work);
}

CudnnState cudnn_state() {
  if (!g_library.cudnn_state) throw std::runtime_error("the CUDA kernels are not loaded");
  int64_t numbers[3];
  char path[512], problem[512];
  g_library.cudnn_state(numbers, path, problem);
  return {path, problem, numbers[0], numbers[1], numbers[2]};
}

void enter_device(int device, void* stream) {
  if (!g_library.enter) throw std::runtime_error("the CUDA kernels are not loaded");
  g_library.enter(device, stream);
  t_on_device = true;
}
void leave_device() { t_on_device = false; }
bool on_device() { return t_on_device; }

void use_step_inputs(StepInputs* inputs) {
  if (!g_library.use_step_inputs) throw std::runtime_error("the CUDA kernels are not loaded");
  g_library.use_step_inputs(inputs);
}
void send_step_inputs(const StepInputs& inputs) { g_library.send_step_inputs(&inputs); }

void* find_device_kernel(const char* name, Element element) {
  void* kernel = g_library.kernel ? g_library.kernel(name, element) : nullptr;
  if (!kernel) throw std::runtime_error(std::string(name) + " has no CUDA kernel for this dtype");
  return kernel;
}

}  // namespace fastnn
