#include "cuda/piece.cuh"
#include "cuda/row_states.cuh"
#include "ops/multiclass_hinge.h"

namespace fastnn::cuda {
namespace {

template <class T>
using Args = MulticlassHingeArgs<T>;

// The violations of a row, or of a part of it.
template <class T>
struct Violations {
  T sum, count;
  __device__ void merge(Violations other) { sum += other.sum, count += other.count; }
  __device__ Violations of_lane(int lane) const {
    return {__shfl_xor_sync(~0u, sum, lane), __shfl_xor_sync(~0u, count, lane)};
  }
};

template <int V, class T>
__global__ void rows_kernel(Args<T> a, int team, int64_t rows_of_block, double* sums) {
  using C = Compute<T>;
  __shared__ Violations<C> parts[kThreads / kWarp];
  const int rank = static_cast<int>(threadIdx.x) % team;
  const int64_t begin = blockIdx.x * rows_of_block, end = begin + rows_of_block < a.n ? begin + rows_of_block : a.n;
  double sum = 0;
  for (int64_t first = begin; first < end; first += kThreads / team) {
    const int64_t row = first + threadIdx.x / team, y = row < end ? a.target[row] : -1;
    const T* s = a.scores + row * a.c;
    const bool valid = y >= 0 && y < a.c;
    const C own = valid ? static_cast<C>(s[y]) : static_cast<C>(__builtin_nan(""));
    Violations<C> found{0, 0};
    if (valid)
      for (int64_t c = rank * V; c < a.c; c += team * V) {
        const Piece<C, V> x = read_piece<V>(s + c);
        for (int v = 0; v < V; ++v) {
          const C violation = c + v == y ? 0 : x.at[v] - own + a.margin;
          found.sum += violation <= 0 ? 0 : violation;  // a NaN stays
          found.count += violation > 0 ? 1 : 0;
        }
      }
    found = merged(found, team, parts);
    if (row >= end) continue;
    for (int64_t c = rank * V; c < a.c; c += team * V) {
      Piece<C, V> d;
      const Piece<C, V> x = read_piece<V>(s + c);
      for (int v = 0; v < V; ++v) {
        d.at[v] = x.at[v] - own + a.margin > 0 ? a.scale : 0;
        if (c + v == y) d.at[v] = -found.count * a.scale;
        if (!valid) d.at[v] = own;
      }
      write_piece(a.dscores + row * a.c + c, d);
    }
    if (rank > 0) continue;
    const C loss = valid ? found.sum : own;
    if (a.losses) a.losses[row] = loss;
    sum += static_cast<double>(loss);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

template <class T>
struct Plan {
  bool wide;
  int team;
  Blocks blocks;

  explicit Plan(const Args<T>& a) {
    wide = in_wide_pieces<T>(a.c, a.scores, a.dscores);
    team = team_for(a.n, wide ? a.c / kWidest<T> : a.c);
    blocks = blocks_of(a.n, kThreads / team);
  }
};

template <class T>
double run(const Args<T>& a) {
  const Plan<T> plan(a);
  double* sums = static_cast<double*>(a.workspace);
  if (a.n > 0) {
    with_pieces<T>(plan.wide, [&]<int V>() {
      FASTNN_LAUNCH((rows_kernel<V, T>), plan.blocks.count, kThreads, 0, a, plan.team, plan.blocks.each, sums);
    });
  }
  finish_loss(sums, plan.blocks.count, a.scale, a.loss);
  return 0;
}

template <class T>
int64_t workspace(const Args<T>& a) {
  return Plan<T>(a).blocks.count * static_cast<int64_t>(sizeof(double));
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(int64_t, multiclass_hinge_workspace, MulticlassHingeArgs, workspace)
FASTNN_CUDA_STORAGE_KERNEL(double, multiclass_hinge, MulticlassHingeArgs, run)

}  // namespace fastnn::cuda
