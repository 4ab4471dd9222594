#include "ops/probe.h"

#include <chrono>

#include "python/support/arguments.h"

namespace fastnn {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Seconds to copy src to dst once.
double copy_seconds(py::handle src_, py::handle dst_, bool streaming) {
  constexpr const char* op = "copy_seconds";
  const View src(op, "src", src_), dst(op, "dst", dst_);
  src.need_float();
  src.need_rank(1, 1);
  dst.need_like(src);
  dst.need_shape(src.shape);
  dst.need_writable();
  need_disjoint(dst, src);
  if (!src.is_channels_last() || !dst.is_channels_last()) fail_value(op, "src and dst", "contiguous", "strided arrays");
  return with_dtype(src, [&]<class T>() {
    CopyProbeArgs<T> args{src.size(), reinterpret_cast<const T*>(src.data), reinterpret_cast<T*>(dst.data), false,
                          num_threads()};
    args.streaming = streaming && reinterpret_cast<uintptr_t>(dst.data) % 64 == 0;
    py::gil_scoped_release release;
    const auto start = Clock::now();
    copy_probe(args);
    return since(start);
  });
}

// FLOP/s of float32 multiply-adds on all threads.
double fma_rate(int64_t rounds) {
  std::vector<float> results(static_cast<size_t>(num_threads()));
  FmaProbeArgs<float> args{rounds, results.data(), num_threads()};
  py::gil_scoped_release release;
  const auto start = Clock::now();
  const int64_t flops = fma_probe(args);
  return static_cast<double>(flops * args.width) / since(start);
}

}  // namespace

void bind_probe(py::module_& m) {
  m.def("copy_seconds", &copy_seconds, py::arg("src"), py::arg("dst"), py::arg("streaming"));
  m.def("fma_rate", &fma_rate, py::arg("rounds"));
}

}  // namespace fastnn
