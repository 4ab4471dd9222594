#include "core/isa.h"

#include <atomic>

namespace fastnn {
namespace {

std::atomic<int> g_active{-1};
struct alignas(64) Counter {
  std::atomic<int64_t> value{0};
};
Counter g_calls[static_cast<int>(Isa::count)];

}  // namespace

const char* isa_name(Isa isa) {
#define FASTNN_ISA_NAME(name, ...) \
  case Isa::name:                  \
    return #name;
  switch (isa) {
    FASTNN_EACH_ISA(FASTNN_ISA_NAME)
    FASTNN_ISA_NAME(cuda)
    case Isa::count:
      break;
  }
#undef FASTNN_ISA_NAME
  return "unknown";
}

bool isa_supported(Isa isa) {
#if defined(__x86_64__)
  // GCC's and Clang's checks include XGETBV: the operating system saves the registers.
  switch (isa) {
    case Isa::baseline:
      return true;
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case Isa::cuda:
    case Isa::count:
      return false;
  }
#endif
  return isa < Isa::cuda;
}

Isa best_isa() {
  for (int i = static_cast<int>(Isa::cuda) - 1; i > 0; --i)
    if (isa_supported(static_cast<Isa>(i))) return static_cast<Isa>(i);
  return static_cast<Isa>(0);
}

Isa active_isa() {
  int isa = g_active.load(std::memory_order_relaxed);
  if (isa < 0) {
    isa = static_cast<int>(best_isa());
    g_active.store(isa, std::memory_order_relaxed);
  }
  return static_cast<Isa>(isa);
}

void set_active_isa(Isa isa) { g_active.store(static_cast<int>(isa), std::memory_order_relaxed); }

bool has_bfloat16_dot() {
#if defined(__x86_64__)
  return active_isa() == Isa::avx512 && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

int64_t kernel_calls(Isa isa) { return g_calls[static_cast<int>(isa)].value.load(std::memory_order_relaxed); }

Isa count_kernel_call() {
  const Isa isa = on_device() ? Isa::cuda : active_isa();
  g_calls[static_cast<int>(isa)].value.fetch_add(1, std::memory_order_relaxed);
  return isa;
}

}  // namespace fastnn
