#include "ops/probe.h"

#include "cpu/elementwise.h"

namespace fastnn::FASTNN_ISA {
namespace {

// What one thread has is large enough for a region, whatever its bytes are.
constexpr int64_t kAlwaysParallel = int64_t{1} << 40;

// The next pass has to go to memory again.
FASTNN_INLINE void forget_memory() { asm volatile("" ::: "memory"); }

// Four sums of integers, one cycle each, keep up with any cache.
template <class T>
uint64_t sum_bits(const T* x, int64_t n) {
  constexpr int kSums = 4;
  constexpr int64_t kW = kLanes<T>;
  using I = Int<T>;
  Vec<I> sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums * kW <= n; i += kSums * kW)
#pragma GCC unroll 4
    for (int s = 0; s < kSums; ++s) sums[s] += bits<I, T>(load(x + i + s * kW));
  for (; i < n; i += kW) sums[0] += bits<I, T>(load_n(x + i, n - i < kW ? n - i : kW));
  const Vec<I> all = sums[0] + sums[1] + (sums[2] + sums[3]);
  uint64_t total = 0;
  for (int lane = 0; lane < kW; ++lane) total += static_cast<uint64_t>(all[lane]);
  return sizeof(T) == 4 ? total & 0xffffffffu : total;
}

template <class T>
void move(const MemoryProbeArgs<T>& a) {
  // Slices start at vectors, so that each may stream.
  constexpr int64_t kStep = 64 / static_cast<int64_t>(sizeof(T));
  const int64_t share = ((a.n + a.width - 1) / a.width + kStep - 1) / kStep * kStep;
  parallel_blocks(a.width, a.width, kAlwaysParallel, [&](int64_t thread, int) {
    const int64_t begin = thread * share < a.n ? thread * share : a.n;
    const int64_t end = begin + share < a.n ? begin + share : a.n;
    for (int64_t pass = 0; pass < a.passes; ++pass) {
      const Vec<T> value = splat(static_cast<T>(1 + pass)), two = splat(static_cast<T>(2));
      switch (a.traffic) {
        case Traffic::read:
          a.sums[thread] = sum_bits(a.x + begin, end - begin);
          break;
        case Traffic::write:
          map_range<T>(begin, end, a.streaming, a.dst, [=] { return value; });
          break;
        case Traffic::copy:
          map_range<T>(begin, end, a.streaming, a.dst, [](Vec<T> x) { return x; }, a.x);
          break;
        case Traffic::triad:
          map_range<T>(begin, end, a.streaming, a.dst, [=](Vec<T> x, Vec<T> y) { return fma(two, y, x); }, a.x, a.y);
          break;
      }
      forget_memory();
    }
  });
}

// Twelve chains cover the latency of two FMAs a cycle and fit the registers of every ISA.
template <class T>
int64_t multiply_add(const FmaProbeArgs<T>& a) {
  constexpr int kChains = 12, kSteps = 16, kRepeats = 64;
  parallel_blocks(a.width, a.width, kAlwaysParallel, [&](int64_t thread, int) {
    Vec<T> acc[kChains];
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = splat(static_cast<T>(i));
    const Vec<T> scale = splat(a.scale), one = splat(static_cast<T>(1));
    for (int64_t r = 0; r < a.rounds * kRepeats; ++r)
#pragma GCC unroll 16
      for (int s = 0; s < kSteps; ++s)
#pragma GCC unroll 12
        for (int i = 0; i < kChains; ++i) acc[i] = fma(acc[i], scale, one);
    Vec<T> total{};
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) total += acc[i] - splat(static_cast<T>(i));
    a.counted[thread] = sum_lanes<T>(total);
  });
  return a.rounds * kRepeats * kSteps * kChains * 2 * kLanes<T>;
}

}  // namespace

void memory_probe(const MemoryProbeArgs<float>& a) { move(a); }
void memory_probe(const MemoryProbeArgs<double>& a) { move(a); }
int64_t fma_probe(const FmaProbeArgs<float>& a) { return multiply_add(a); }
int64_t fma_probe(const FmaProbeArgs<double>& a) { return multiply_add(a); }

}  // namespace fastnn::FASTNN_ISA
