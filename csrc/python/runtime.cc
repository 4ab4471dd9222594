// Threads, memory, instruction sets: the switches and gauges of the running library.
#include <pybind11/stl.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <tuple>

#include "core/cpu_count.h"
#include "core/device.h"
#include "core/isa.h"
#include "python/support/arguments.h"
#include "python/support/dlpack.h"
#include "python/support/matmul_precision.h"

#ifndef FASTNN_BUILD
#define FASTNN_BUILD "unknown"
#endif

namespace fastnn {
namespace {

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (int i = 0; i < static_cast<int>(Isa::count); ++i)
    if (isa_supported(static_cast<Isa>(i))) names.push_back(isa_name(static_cast<Isa>(i)));
  return names;
}

void set_isa(py::handle name) {
  std::string known;
  for (int i = 0; i < static_cast<int>(Isa::count); ++i) {
    const Isa isa = static_cast<Isa>(i);
    if (!isa_supported(isa)) continue;
    if (py::isinstance<py::str>(name) && name.cast<std::string>() == isa_name(isa)) return set_active_isa(isa);
    known += (known.empty() ? "\"" : "\", \"") + std::string(isa_name(isa));
  }
  fail_value("set_isa", "isa", "one of " + known + "\"", describe(name));
}

void set_threads(py::handle n) {
  const int64_t threads = integer("set_num_threads", "n", n, 1);
  set_num_threads(static_cast<int>(threads < kMaxThreads ? threads : kMaxThreads));
}

std::map<std::string, int64_t> stats() {
  const MemoryStats s = memory_stats();
  return {{"in_use_bytes", s.in_use_bytes},
          {"peak_bytes", s.peak_bytes},
          {"cached_bytes", s.cached_bytes},
          {"allocations", s.allocations},
          {"system_allocations", s.system_allocations}};
}

std::map<std::string, int64_t> calls() {
  std::map<std::string, int64_t> counts;
  for (const std::string& name : available_isas()) counts[name] = 0;
  for (int i = 0; i < static_cast<int>(Isa::count); ++i)
    if (isa_supported(static_cast<Isa>(i))) counts[isa_name(static_cast<Isa>(i))] = kernel_calls(static_cast<Isa>(i));
  counts["cuda"] = kernel_calls(Isa::cuda);
  return counts;
}

// Path, version, convolutions run there and by our kernels, what stood in the way last.
std::tuple<std::string, int64_t, int64_t, int64_t, std::string> cudnn_call_state() {
  const CudnnState s = cudnn_state();
  return {s.path, s.version, s.ran, s.own, s.problem};
}

// Mean seconds of a parallel region in which `threads` threads meet: every block waits until all have
// arrived, so nobody can do the work alone.
double region_seconds(int threads, int repeats) {
  if (threads < 1 || threads > kMaxThreads || repeats < 1)
    fail_value("parallel_region_seconds", "threads and repeats", "at least 1", std::to_string(threads));
  py::gil_scoped_release release;
  std::atomic<int64_t> arrived{0};
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) {
    arrived.store(0);
    struct Meeting {
      std::atomic<int64_t>& arrived;
      int64_t all;
    } meeting{arrived, threads};
    parallel_run(
        threads, threads,
        [](void* context, int64_t, int) {
          auto& m = *static_cast<Meeting*>(context);
          m.arrived.fetch_add(1);
          for (int64_t spins = 0; m.arrived.load() < m.all && spins < 1000000; ++spins)
            std::atomic_signal_fence(std::memory_order_seq_cst);
        },
        &meeting);
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / repeats;
}

}  // namespace

void bind_runtime(py::module_& m) {
  m.def("available_isas", &available_isas);
  m.def("get_isa", [] { return std::string(isa_name(active_isa())); });
  m.def("set_isa", &set_isa, py::arg("isa"));
  m.def("get_num_threads", &num_threads);
  m.def("set_num_threads", &set_threads, py::arg("n"));
  m.def("set_float32_matmul_precision", &set_float32_matmul_precision, py::arg("precision"));
  m.def("get_float32_matmul_precision", &get_float32_matmul_precision);
  m.def("has_bfloat16_dot", &has_bfloat16_dot);
  m.def("memory_stats", &stats);
  m.def("empty_cache", &pool_trim);
  m.def("kernel_calls", &calls);
  m.def("parallel_regions", &parallel_regions);
  m.def("parallel_region_seconds", &region_seconds, py::arg("threads"), py::arg("repeats"));
  py::class_<DeviceMemory>(m, "DeviceMemory", "Memory of a CUDA device that a NumPy array stands for.");
  py::class_<CapsuleMemory, DeviceMemory>(m, "CapsuleMemory", "The same, lent by a DLPack capsule.");
  m.def("load_cuda", &load_device_library, py::arg("path"));
  m.def("offer_cublas_lt", &offer_cublas_lt, py::arg("paths"));
  m.def("offer_cudnn", &offer_cudnn, py::arg("paths"), py::arg("least_work"));
  m.def("cudnn_state", &cudnn_call_state);
  m.attr("build") = FASTNN_BUILD;

  if (const char* forced = std::getenv("FASTNN_ISA"); forced && *forced) {
    try {
      set_isa(py::str(forced));
    } catch (const py::value_error& e) {
      throw py::import_error(std::string("FASTNN_ISA: ") + e.what());
    }
  }
  if (const char* wanted = std::getenv("FASTNN_FLOAT32_MATMUL_PRECISION"); wanted && *wanted) {
    try {
      set_float32_matmul_precision(py::str(wanted));
    } catch (const py::value_error& e) {
      throw py::import_error(std::string("FASTNN_FLOAT32_MATMUL_PRECISION: ") + e.what());
    }
  }
}

}  // namespace fastnn

// What threadpoolctl's controller calls through ctypes.
extern "C" __attribute__((visibility("default"))) int fastnn_get_num_threads() { return fastnn::num_threads(); }
extern "C" __attribute__((visibility("default"))) void fastnn_set_num_threads(int n) {
  fastnn::set_num_threads(n < 1 ? 1 : n < fastnn::kMaxThreads ? n : fastnn::kMaxThreads);
}
