// Launching kernels on the calling thread's stream, and naming them for the library's table.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "core/storage.h"

namespace fastnn::cuda {

cudaStream_t stream();  // that of the call in progress on this thread
bool capturing();       // whether this thread's launches are being captured for a whole step

// Throws std::runtime_error if the last launch failed; with FASTNN_CUDA_DEBUG=1 waits for it to end first, so
// that an error shows at the call that caused it.
void check_launch(const char* kernel);

inline constexpr int kThreads = 256;

// Blocks that keep every multiprocessor of this device busy: loops over larger work stride over the grid.
int64_t resident_blocks();

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

#ifdef __CUDACC__
#define FASTNN_LAUNCH(kernel, blocks, threads, shared_bytes, ...)                                                     \
  do {                                                                                                                \
    kernel<<<static_cast<unsigned>(blocks), static_cast<unsigned>(threads), (shared_bytes), stream()>>>(__VA_ARGS__); \
    check_launch(#kernel);                                                                                            \
  } while (0)
#else
// The emulation of tests/cuda_on_cpu.
#define FASTNN_LAUNCH(kernel, blocks, threads, shared_bytes, ...) \
  emulate(static_cast<unsigned>(blocks), static_cast<unsigned>(threads), (shared_bytes), [=] { kernel(__VA_ARGS__); })
#endif

// Puts a kernel into the library's table: FASTNN_CUDA_KERNEL(relu, ReluArgs), behind its definitions for float
// and double.
struct Entry {
  Entry(const char* name, Element element, void* kernel);
  const char* name;
  Element element;
  void* kernel;
  const Entry* next;
};
#define FASTNN_CUDA_KERNEL_OF(Ret, name, Args, T) \
  const Entry name##_of_##T(#name, kElement<T>, reinterpret_cast<void*>(static_cast<Ret (*)(const Args<T>&)>(&name)));
#define FASTNN_CUDA_KERNEL(Ret, name, Args)     \
  FASTNN_CUDA_KERNEL_OF(Ret, name, Args, float) \
  FASTNN_CUDA_KERNEL_OF(Ret, name, Args, double)
// Defines a kernel as body(args) for arrays of every type, float16 and bfloat16 too, and puts it into the table.
#define FASTNN_CUDA_STORAGE_KERNEL_OF(Ret, name, Args, body, T) \
  Ret name(const Args<T>& args) { return body(args); }          \
  FASTNN_CUDA_KERNEL_OF(Ret, name, Args, T)
#define FASTNN_CUDA_STORAGE_KERNEL(Ret, name, Args, body)        \
  FASTNN_CUDA_STORAGE_KERNEL_OF(Ret, name, Args, body, Float16)  \
  FASTNN_CUDA_STORAGE_KERNEL_OF(Ret, name, Args, body, Bfloat16) \
  FASTNN_CUDA_STORAGE_KERNEL_OF(Ret, name, Args, body, float)    \
  FASTNN_CUDA_STORAGE_KERNEL_OF(Ret, name, Args, body, double)

template <class Args>
int64_t no_workspace(const Args&) {
  return 0;
}

}  // namespace fastnn::cuda
