// Capturing and launching graphs on the emulated device, for the arrays of tests/cuda_on_cpu/arrays.py.
#include <cuda_runtime.h>

#include <utility>

using cuda_on_cpu::capturing;
using cuda_on_cpu::Graph;
#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void begin_capture() { capturing = new Graph; }
EXPORT Graph* end_capture() { return std::exchange(capturing, nullptr); }
EXPORT void note(void (*work)()) { capturing->push_back(work); }
EXPORT void launch_graph(const Graph* graph) {
  for (const auto& work : *graph) work();
}
EXPORT void destroy_graph(Graph* graph) { delete graph; }
