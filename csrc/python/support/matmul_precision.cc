#include "python/support/matmul_precision.h"

#include <atomic>

#include "core/isa.h"

namespace fastnn {
namespace {

constexpr const char* kPrecisions[] = {"highest", "high", "medium"};
constexpr int kMedium = 2;
std::atomic<int> g_precision{0};

}  // namespace

bool may_round_to_bfloat16() { return g_precision.load(std::memory_order_relaxed) == kMedium && has_bfloat16_dot(); }

void set_float32_matmul_precision(py::handle precision) {
  if (py::isinstance<py::str>(precision)) {
    const std::string word = precision.cast<std::string>();
    for (int i = 0; i <= kMedium; ++i)
      if (word == kPrecisions[i]) return g_precision.store(i, std::memory_order_relaxed);
  }
  fail_value("set_float32_matmul_precision", "precision", "\"highest\", \"high\" or \"medium\"", describe(precision));
}

std::string get_float32_matmul_precision() { return kPrecisions[g_precision.load(std::memory_order_relaxed)]; }

}  // namespace fastnn
