// What the library exports: its state, its table of kernels, and the stream of the call in progress.
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "cuda/launch.h"

namespace fastnn::cuda {
namespace {

const Entry*& first_entry() {
  static const Entry* first = nullptr;
  return first;
}

thread_local cudaStream_t t_stream = nullptr;

bool debug() {
  static const bool on = [] {
    const char* value = std::getenv("FASTNN_CUDA_DEBUG");
    return value && *value && std::strcmp(value, "0") != 0;
  }();
  return on;
}

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": CUDA error: " + cudaGetErrorString(error));
}

}  // namespace

Entry::Entry(const char* name_, Element element_, void* kernel_)
    : name(name_), element(element_), kernel(kernel_), next(first_entry()) {
  first_entry() = this;
}

cudaStream_t stream() { return t_stream; }

void check_launch(const char* kernel) {
  check(cudaGetLastError(), kernel);
  if (debug() && !capturing()) check(cudaStreamSynchronize(t_stream), kernel);
}

int64_t resident_blocks() {
  static thread_local int known_device = -1;
  static thread_local int64_t blocks = 0;
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  if (device != known_device) {
    int processors = 0, threads = 0;
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute");
    check(cudaDeviceGetAttribute(&threads, cudaDevAttrMaxThreadsPerMultiProcessor, device), "cudaDeviceGetAttribute");
    known_device = device;
    blocks = static_cast<int64_t>(processors) * (threads / kThreads);
  }
  return blocks;
}

}  // namespace fastnn::cuda

#define FASTNN_EXPORT extern "C" __attribute__((visibility("default")))

FASTNN_EXPORT const char* fastnn_cuda_problem() {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  return devices > 0 ? nullptr : "no CUDA device";
}

FASTNN_EXPORT void* fastnn_cuda_kernel(const char* name, fastnn::Element element) {
  for (const auto* entry = fastnn::cuda::first_entry(); entry; entry = entry->next)
    if (entry->element == element && std::strcmp(entry->name, name) == 0) return entry->kernel;
  return nullptr;
}

FASTNN_EXPORT void fastnn_cuda_enter(int device, void* stream) {
  int current = -1;
  if (cudaGetDevice(&current) != cudaSuccess || current != device)
    fastnn::cuda::check(cudaSetDevice(device), "cudaSetDevice");
  fastnn::cuda::t_stream = static_cast<cudaStream_t>(stream);
}
