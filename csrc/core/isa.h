// The instruction sets the kernels are compiled for, and the one way to call a kernel on the active one.
#pragma once

#include <cstdint>

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
enum class Isa : int { FASTNN_EACH_ISA(FASTNN_ISA_ENUM) count };
#undef FASTNN_ISA_ENUM

const char* isa_name(Isa isa);
bool isa_supported(Isa isa);  // by this CPU and its operating system
Isa best_isa();
Isa active_isa();
void set_active_isa(Isa isa);

// Kernel calls so far on one ISA: tests use it to prove which one ran.
int64_t kernel_calls(Isa isa);
Isa count_kernel_call();  // notes one call on the active ISA and returns it

}  // namespace fastnn

// FASTNN_KERNEL(void, relu, ReluArgs) declares `void relu(const ReluArgs<T>&)` for float and double in
// every ISA's namespace. Outside the per-ISA objects it also defines the dispatcher of that name.
#define FASTNN_KERNEL_IN(isa, Ret, name, Args) \
  namespace isa {                              \
  Ret name(const Args<float>&);                \
  Ret name(const Args<double>&);               \
  }
#ifdef FASTNN_ISA
#define FASTNN_KERNEL(Ret, name, Args) FASTNN_EACH_ISA(FASTNN_KERNEL_IN, Ret, name, Args)
#else
#define FASTNN_KERNEL_CASE(isa, Ret, name, Args) \
  case Isa::isa:                                 \
    return isa::name(args);
#define FASTNN_KERNEL(Ret, name, Args)                     \
  FASTNN_EACH_ISA(FASTNN_KERNEL_IN, Ret, name, Args)       \
  template <class T>                                       \
  inline Ret name(const Args<T>& args) {                   \
    switch (count_kernel_call()) {                         \
      FASTNN_EACH_ISA(FASTNN_KERNEL_CASE, Ret, name, Args) \
      case Isa::count:                                     \
        break;                                             \
    }                                                      \
    __builtin_unreachable();                               \
  }
#endif
