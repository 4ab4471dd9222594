// The targets that kernels are compiled for, the CPU's instruction sets and CUDA, and the one way to call a
// kernel on the active one.
#pragma once

#include <cstdint>

#include "core/device.h"

#if defined(__x86_64__) || defined(_M_X64)
#define FASTNN_EACH_ISA(X, ...) \
  X(baseline, __VA_ARGS__)      \
  X(avx2, __VA_ARGS__)          \
  X(avx512, __VA_ARGS__)
#elif defined(__aarch64__)
#define FASTNN_EACH_ISA(X, ...) X(neon, __VA_ARGS__)
#else
#define FASTNN_EACH_ISA(X, ...) X(baseline, __VA_ARGS__)
#endif

namespace fastnn {

#define FASTNN_ISA_ENUM(isa, ...) isa,
enum class Isa : int { FASTNN_EACH_ISA(FASTNN_ISA_ENUM) cuda, count };
#undef FASTNN_ISA_ENUM

const char* isa_name(Isa isa);
bool isa_supported(Isa isa);  // by this CPU and its operating system
Isa best_isa();
Isa active_isa();
void set_active_isa(Isa isa);
bool has_bfloat16_dot();  // on this CPU, by the kernels of the active ISA

// Kernel calls so far on one ISA: tests use it to prove which one ran.
int64_t kernel_calls(Isa isa);
Isa count_kernel_call();  // notes one call on the active target and returns it

}  // namespace fastnn

// FASTNN_KERNEL(void, relu, ReluArgs) declares `void relu(const ReluArgs<T>&)` for float and double in
// every target's namespace, on CUDA for float16 and bfloat16 too. Outside the kernels' objects it also defines the
// dispatcher of that name; CUDA's kernels are looked up by name in a library that need not be there.
#define FASTNN_KERNEL_IN(isa, Ret, name, Args) \
  namespace isa {                              \
  Ret name(const Args<float>&);                \
  Ret name(const Args<double>&);               \
  }
#if defined(FASTNN_TARGET_CUDA)
#define FASTNN_KERNEL(Ret, name, Args)    \
  FASTNN_KERNEL_IN(cuda, Ret, name, Args) \
  namespace cuda {                        \
  Ret name(const Args<Float16>&);         \
  Ret name(const Args<Bfloat16>&);        \
  }
#elif defined(FASTNN_ISA)
#define FASTNN_KERNEL(Ret, name, Args) FASTNN_EACH_ISA(FASTNN_KERNEL_IN, Ret, name, Args)
#else
#define FASTNN_KERNEL_CASE(isa, Ret, name, Args) \
  case Isa::isa:                                 \
    if constexpr (kHalf<T>)                      \
      break;                                     \
    else                                         \
      return isa::name(args);
#define FASTNN_KERNEL(Ret, name, Args)                                                               \
  FASTNN_EACH_ISA(FASTNN_KERNEL_IN, Ret, name, Args)                                                 \
  template <class T>                                                                                 \
  inline Ret name(const Args<T>& args) {                                                             \
    switch (count_kernel_call()) {                                                                   \
      FASTNN_EACH_ISA(FASTNN_KERNEL_CASE, Ret, name, Args)                                           \
      case Isa::cuda: {                                                                              \
        using Kernel = Ret (*)(const Args<T>&);                                                      \
        static const auto kernel = reinterpret_cast<Kernel>(find_device_kernel(#name, kElement<T>)); \
        return kernel(args);                                                                         \
      }                                                                                              \
      case Isa::count:                                                                               \
        break;                                                                                       \
    }                                                                                                \
    __builtin_unreachable();                                                                         \
  }
#endif
