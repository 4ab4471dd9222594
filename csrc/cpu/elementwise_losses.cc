#include "ops/elementwise_losses.h"

#include "cpu/elementwise.h"
#include "formulas/elementwise_losses.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Elements whose losses are added in T; these sums are added in float64.
inline constexpr int64_t kRun = 1024;

template <ElementwiseLoss L, bool kStreaming, class T>
__attribute__((noinline)) double sum_block(const ElementwiseLossArgs<T>& args, int64_t begin, int64_t end) {
  const ElementwiseLossArgs<T> a = args;  // a copy, which no store can alias
  constexpr int64_t kW = kLanes<T>;
  const Vec<T> one = splat(static_cast<T>(1)), delta = splat(a.delta), scale = splat(a.scale);
  const auto at = [&](int64_t i, const auto& get) __attribute__((always_inline)) {
    return loss_and_slope<L, T>(get(a.x + i), get(a.target + i), a.weight ? get(a.weight + i) : one,
                                a.pos_weight ? get(a.pos_weight + i) : one, delta);
  };
  double total = 0;
  for (int64_t run = begin; run < end; run += kRun) {
    const int64_t stop = run + kRun < end ? run + kRun : end;
    Vec<T> sums[2] = {};
    int64_t i = run;
    const auto whole = [&](int64_t k, Vec<T>& sum) __attribute__((always_inline)) {
      const LossAndSlope<T> r = at(k, [](const T* p) { return load(p); });
      put<kStreaming>(a.dx + k, r.slope * scale);
      if (a.losses) store(a.losses + k, r.loss);
      sum += r.loss;
    };
    for (; i + 2 * kW <= stop; i += 2 * kW) {
      whole(i, sums[0]);
      whole(i + kW, sums[1]);
    }
    for (; i + kW <= stop; i += kW) whole(i, sums[0]);
    if (const int64_t n = stop - i; n > 0) {
      const LossAndSlope<T> r = at(i, [=](const T* p) { return load_n(p, n); });
      store_n(a.dx + i, r.slope * scale, n);
      if (a.losses) store_n(a.losses + i, r.loss, n);
      sums[1] += select<T>(lane_numbers<T>() < static_cast<Int<T>>(n), r.loss, Vec<T>{});
    }
    total += static_cast<double>(sum_lanes<T>(sums[0] + sums[1]));
  }
  if (kStreaming) stream_fence();
  return total;
}

template <class T>
int64_t blocks_of(const ElementwiseLossArgs<T>& a) {
  return (a.n + kMapBlock<T> - 1) / kMapBlock<T>;
}

template <ElementwiseLoss L, class T>
double run_as(const ElementwiseLossArgs<T>& a) {
  double* sums = static_cast<double*>(a.workspace);
  // Spills between streaming stores hold them up: 2^22 values took 7.3 ms with and 2.0 ms without.
  const bool streaming = L != ElementwiseLoss::bce_with_logits && can_stream(a.dx, a.n);
  const int64_t blocks = blocks_of(a);
  parallel_blocks(blocks, a.width, a.n * 3 * static_cast<int64_t>(sizeof(T)), [&](int64_t block, int) {
    const int64_t begin = block * kMapBlock<T>, end = begin + kMapBlock<T> < a.n ? begin + kMapBlock<T> : a.n;
    sums[block] = streaming ? sum_block<L, true, T>(a, begin, end) : sum_block<L, false, T>(a, begin, end);
  });
  double sum = 0;
  for (int64_t i = 0; i < blocks; ++i) sum += sums[i];
  return sum;
}

template <class T>
double run(const ElementwiseLossArgs<T>& a) {
  switch (a.kind) {
    case ElementwiseLoss::mse:
      return run_as<ElementwiseLoss::mse>(a);
    case ElementwiseLoss::l1:
      return run_as<ElementwiseLoss::l1>(a);
    case ElementwiseLoss::huber:
      return run_as<ElementwiseLoss::huber>(a);
    case ElementwiseLoss::bce_with_logits:
      return run_as<ElementwiseLoss::bce_with_logits>(a);
  }
  return 0;
}

}  // namespace

int64_t elementwise_loss_workspace(const ElementwiseLossArgs<float>& a) { return blocks_of(a) * 8; }
int64_t elementwise_loss_workspace(const ElementwiseLossArgs<double>& a) { return blocks_of(a) * 8; }
double elementwise_loss(const ElementwiseLossArgs<float>& a) { return run(a); }
double elementwise_loss(const ElementwiseLossArgs<double>& a) { return run(a); }

}  // namespace fastnn::FASTNN_ISA
