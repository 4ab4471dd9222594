#include "ops/probe.h"

#include "cpu/elementwise.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
void copy(const CopyProbeArgs<T>& a) {
  const int64_t blocks = (a.n + kMapBlock<T> - 1) / kMapBlock<T>;
  parallel_blocks(blocks, a.width, 2 * a.n * static_cast<int64_t>(sizeof(T)), [&](int64_t block, int) {
    const int64_t begin = block * kMapBlock<T>;
    map_range<T>(
        begin, begin + kMapBlock<T> < a.n ? begin + kMapBlock<T> : a.n, a.streaming, a.dst, [](Vec<T> x) { return x; },
        a.src);
  });
}

// Eight chains cover the latency of two FMAs a cycle; as many registers as every ISA has.
template <class T>
int64_t multiply_add(const FmaProbeArgs<T>& a) {
  constexpr int kChains = 12, kSteps = 16;
  parallel_blocks(a.width, a.width, int64_t{1} << 40, [&](int64_t thread, int) {
    Vec<T> acc[kChains];
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = splat(static_cast<T>(i));
    const Vec<T> scale = splat(static_cast<T>(0.5)), shift = splat(static_cast<T>(thread));
    for (int64_t r = 0; r < a.rounds; ++r)
#pragma GCC unroll 16
      for (int s = 0; s < kSteps; ++s)
#pragma GCC unroll 12
        for (int i = 0; i < kChains; ++i) acc[i] = fma(acc[i], scale, shift);
    Vec<T> total{};
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) total += acc[i];
    a.result[thread] = sum_lanes<T>(total);
  });
  return a.rounds * kChains * kSteps * 2 * kLanes<T>;
}

}  // namespace

void copy_probe(const CopyProbeArgs<float>& a) { copy(a); }
void copy_probe(const CopyProbeArgs<double>& a) { copy(a); }
int64_t fma_probe(const FmaProbeArgs<float>& a) { return multiply_add(a); }
int64_t fma_probe(const FmaProbeArgs<double>& a) { return multiply_add(a); }

}  // namespace fastnn::FASTNN_ISA
