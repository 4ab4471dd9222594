#include "ops/probe.h"

#include <chrono>
#include <stdexcept>

#include "python/support/arguments.h"

namespace fastnn {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

Traffic parse_traffic(const char* op, py::handle value) {
  const char* names[] = {"read", "write", "copy", "triad"};
  for (int i = 0; i < 4; ++i)
    if (py::isinstance<py::str>(value) && value.cast<std::string>() == names[i]) return static_cast<Traffic>(i);
  fail_value(op, "traffic", "\"read\", \"write\", \"copy\" or \"triad\"", describe(value));
}

// Seconds of one pass over the arrays that this traffic touches, and the sum of bits that a read found.
py::tuple memory_seconds(py::handle traffic, py::handle dst_, py::handle x_, py::handle y_, bool streaming,
                         py::handle passes_) {
  constexpr const char* op = "memory_seconds";
  const Traffic kind = parse_traffic(op, traffic);
  const int64_t passes = integer(op, "passes", passes_, 1);
  const View dst(op, "dst", dst_), x(op, "x", x_), y(op, "y", y_);
  x.need_float();
  x.need_rank(1, 1);
  for (const View* other : {&dst, &y}) {
    other->need_like(x);
    other->need_shape(x.shape);
  }
  dst.need_writable();
  need_disjoint(dst, x);
  need_disjoint(dst, y);
  for (const View* view : {&dst, &x, &y})
    if (!view->is_channels_last()) fail_value(op, view->role, "contiguous", "a strided array");
  if (streaming && reinterpret_cast<uintptr_t>(dst.data) % 64 != 0)
    fail_value(op, "dst", "aligned to 64 bytes when streaming", "an address that is not");
  return with_dtype(x, [&]<class T>() {
    std::vector<uint64_t> sums(static_cast<size_t>(num_threads()));
    const MemoryProbeArgs<T> args{kind,
                                  x.size(),
                                  passes,
                                  reinterpret_cast<const T*>(x.data),
                                  reinterpret_cast<const T*>(y.data),
                                  reinterpret_cast<T*>(dst.data),
                                  sums.data(),
                                  streaming,
                                  static_cast<int>(sums.size())};
    double seconds;
    {
      py::gil_scoped_release release;
      const auto start = Clock::now();
      memory_probe(args);
      seconds = since(start) / static_cast<double>(passes);
    }
    uint64_t total = 0;
    for (uint64_t sum : sums) total += sum;
    return py::make_tuple(seconds, sizeof(T) == 4 ? total & 0xffffffffu : total);
  });
}

template <class T>
double fma_rate_of(int64_t rounds) {
  std::vector<T> counted(static_cast<size_t>(num_threads()));
  const FmaProbeArgs<T> args{rounds, 1, counted.data(), static_cast<int>(counted.size())};
  py::gil_scoped_release release;
  const auto start = Clock::now();
  const int64_t flops = fma_probe(args);
  const double seconds = since(start);
  for (T count : counted)
    if (count != static_cast<T>(flops / 2)) throw std::runtime_error("fma_rate: the probe did not count its work");
  return static_cast<double>(flops) * args.width / seconds;
}

// FLOP/s of multiply-adds on all threads.
double fma_rate(py::handle rounds_, bool float64) {
  const int64_t rounds = integer("fma_rate", "rounds", rounds_, 1);
  if (rounds > 1 << 14) fail_value("fma_rate", "rounds", "at most 16384", describe(rounds_));
  return float64 ? fma_rate_of<double>(rounds) : fma_rate_of<float>(rounds);
}

}  // namespace

void bind_probe(py::module_& m) {
  m.def("memory_seconds", &memory_seconds, py::arg("traffic"), py::arg("dst"), py::arg("x"), py::arg("y"),
        py::arg("streaming"), py::arg("passes"));
  m.def("fma_rate", &fma_rate, py::arg("rounds"), py::arg("float64"));
}

}  // namespace fastnn
