#include "ops/global_norm.h"

#include "core/parallel.h"
#include "core/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Sums of squares lane by lane a chunk, the chunks' sums in double in their order.
template <class T>
double norm(const GlobalNormArgs<T>& a) {
  constexpr int64_t kW = kLanes<T>;
  constexpr int kChains = 4;  // hide the latency of the multiply-add
  double* partial = static_cast<double*>(a.workspace);
  parallel_blocks(a.chunk_count, a.width, a.elements * static_cast<int64_t>(sizeof(T)), [&](int64_t i, int) {
    const ListChunk& chunk = a.chunks[i];
    const T* p = a.arrays[chunk.index] + chunk.begin;
    Vec<T> sum[kChains] = {};
    int64_t k = 0;
    for (; k + kChains * kW <= chunk.count; k += kChains * kW)
#pragma GCC unroll 4
      for (int c = 0; c < kChains; ++c) {
        const Vec<T> x = load(p + k + c * kW);
        sum[c] = fma(x, x, sum[c]);
      }
    for (; k < chunk.count; k += kW) {
      const Vec<T> x = load_n(p + k, chunk.count - k < kW ? chunk.count - k : kW);
      sum[0] = fma(x, x, sum[0]);
    }
    partial[i] = static_cast<double>(sum_lanes<T>((sum[0] + sum[1]) + (sum[2] + sum[3])));
  });
  double total = 0;
  for (int64_t i = 0; i < a.chunk_count; ++i) total += partial[i];
  return __builtin_sqrt(total);
}

template <class T>
int64_t workspace(const GlobalNormArgs<T>& a) {
  return a.chunk_count * static_cast<int64_t>(sizeof(double));
}

}  // namespace

int64_t global_norm_workspace(const GlobalNormArgs<float>& a) { return workspace(a); }
int64_t global_norm_workspace(const GlobalNormArgs<double>& a) { return workspace(a); }
double global_norm(const GlobalNormArgs<float>& a) { return norm(a); }
double global_norm(const GlobalNormArgs<double>& a) { return norm(a); }

}  // namespace fastnn::FASTNN_ISA
