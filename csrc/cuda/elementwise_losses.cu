#include "cuda/loss_sum.cuh"
#include "cuda/piece.cuh"
#include "formulas/elementwise_losses.h"
#include "ops/elementwise_losses.h"

namespace fastnn::cuda {
namespace {

template <class T>
using Args = ElementwiseLossArgs<T>;

// The sum of the losses of the V elements from i on.
template <ElementwiseLoss L, int V, class T>
__device__ double put_piece(const Args<T>& a, int64_t i) {
  using C = Compute<T>;
  Piece<C, V> weight, pos_weight, dx, losses;
  const Piece<C, V> x = read_piece<V>(a.x + i), target = read_piece<V>(a.target + i);
  for (int v = 0; v < V; ++v) weight.at[v] = pos_weight.at[v] = 1;
  if constexpr (L == ElementwiseLoss::bce_with_logits) {
    if (a.weight) weight = read_piece<V>(a.weight + i);
    if (a.pos_weight) pos_weight = read_piece<V>(a.pos_weight + i);
  }
  C sum = 0;
  for (int v = 0; v < V; ++v) {
    const auto r = loss_and_slope<L, C>(x.at[v], target.at[v], weight.at[v], pos_weight.at[v], a.delta);
    dx.at[v] = r.slope * a.scale;
    losses.at[v] = r.loss;
    sum += r.loss;
  }
  write_piece(a.dx + i, dx);
  if (a.losses) write_piece(a.losses + i, losses);
  return static_cast<double>(sum);
}

template <ElementwiseLoss L, class T>
__global__ void loss_kernel(Args<T> a, bool wide, int64_t each, double* sums) {
  constexpr int V = kWidest<T>;
  const int64_t begin = blockIdx.x * each, end = begin + each < a.n ? begin + each : a.n;
  double sum = 0;
  int64_t rest = begin;
  if (wide) {
    rest = end - end % V;
    for (int64_t i = begin + threadIdx.x * V; i < rest; i += kThreads * V) sum += put_piece<L, V>(a, i);
  }
  for (int64_t i = rest + threadIdx.x; i < end; i += kThreads) sum += put_piece<L, 1>(a, i);
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

template <class T>
Blocks blocks_of(const Args<T>& a) {
  return cuda::blocks_of(a.n, kThreads * kWidest<T>);
}

template <ElementwiseLoss L, class T>
void run_as(const Args<T>& a) {
  const Blocks blocks = blocks_of(a);
  double* sums = static_cast<double*>(a.workspace);
  const bool wide = in_wide_pieces<T>(0, a.x, a.target, a.weight, a.pos_weight, a.dx, a.losses);
  if (a.n > 0) FASTNN_LAUNCH((loss_kernel<L, T>), blocks.count, kThreads, 0, a, wide, blocks.each, sums);
  finish_loss(sums, blocks.count, a.scale, a.loss);
}

template <class T>
double run(const Args<T>& a) {
  switch (a.kind) {
    case ElementwiseLoss::mse:
      run_as<ElementwiseLoss::mse>(a);
      break;
    case ElementwiseLoss::l1:
      run_as<ElementwiseLoss::l1>(a);
      break;
    case ElementwiseLoss::huber:
      run_as<ElementwiseLoss::huber>(a);
      break;
    case ElementwiseLoss::bce_with_logits:
      run_as<ElementwiseLoss::bce_with_logits>(a);
      break;
  }
  return 0;
}

template <class T>
int64_t workspace(const Args<T>& a) {
  return blocks_of(a).count * static_cast<int64_t>(sizeof(double));
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(int64_t, elementwise_loss_workspace, ElementwiseLossArgs, workspace)
FASTNN_CUDA_STORAGE_KERNEL(double, elementwise_loss, ElementwiseLossArgs, run)

}  // namespace fastnn::cuda
