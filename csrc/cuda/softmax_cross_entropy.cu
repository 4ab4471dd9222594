#include "cuda/piece.cuh"
#include "cuda/row_states.cuh"
#include "formulas/log.h"
#include "ops/softmax_cross_entropy.h"

namespace fastnn::cuda {
namespace {

template <class T>
using Args = SoftmaxCrossEntropyArgs<T>;

inline constexpr int64_t kIgnored = -1, kNoClass = -2;
template <class T>
inline constexpr T kNan = static_cast<T>(__builtin_nan(""));
template <class T>
inline constexpr T kLowest = -static_cast<T>(__builtin_inf());

template <class T>
__device__ int64_t class_of(const Args<T>& a, int64_t row) {
  const int64_t k = a.target[row];
  return k == a.ignore_index ? kIgnored : k >= 0 && k < a.c ? k : kNoClass;
}
template <class T>
__device__ Compute<T> weight_of(const Args<T>& a, int64_t c) {
  if (!a.weight) return 1;
  const Compute<T> w = a.weight[c];
  return w >= 0 && w - w == 0 ? w : kNan<Compute<T>>;
}

// x - top, and 0 of an infinity to itself.
template <class T>
__device__ T gap(T x, T top) {
  return x == top ? 0 : x - top;
}

// A row, or a part of it, in one pass: of its logits x and its quotas q of the target,
// top = max x, exps = sum exp(x - top), mass = sum q, dot = sum q (x - top).
template <class T>
struct Row {
  T top, exps, mass, dot;

  static __device__ Row none() { return {kLowest<T>, 0, 0, 0}; }
  __device__ void raise(T to) {
    const T down = gap(top, to);
    exps *= exp<T>(down);
    if (mass != 0) dot += mass * down;
    top = to;
  }
  __device__ void merge(Row other) {
    const T to = other.top > top ? other.top : top;
    raise(to);
    other.raise(to);
    exps += other.exps, mass += other.mass, dot += other.dot;
  }
  __device__ Row of_lane(int lane) const {
    return {__shfl_xor_sync(~0u, top, lane), __shfl_xor_sync(~0u, exps, lane), __shfl_xor_sync(~0u, mass, lane),
            __shfl_xor_sync(~0u, dot, lane)};
  }
};

// weight (on * target + off) of the V classes from c on.
template <int V, class T>
__device__ Piece<Compute<T>, V> quotas(const Args<T>& a, int64_t row, int64_t k, int64_t c) {
  Piece<Compute<T>, V> q;
  if (a.distribution) {
    q = read_piece<V>(a.distribution + row * a.c + c);
    for (int v = 0; v < V; ++v) q.at[v] = q.at[v] * a.on + a.off;
  } else {
    for (int v = 0; v < V; ++v) q.at[v] = c + v == k ? a.on + a.off : a.off;
  }
  if (a.weight)
    for (int v = 0; v < V; ++v) q.at[v] *= weight_of(a, c + v);
  return q;
}

template <int V, class T>
__device__ void add_piece(Row<Compute<T>>& s, const Args<T>& a, int64_t row, int64_t k, int64_t c, bool spread) {
  using C = Compute<T>;
  const Piece<C, V> x = read_piece<V>(a.logits + row * a.c + c);
  C top = s.top;
  for (int v = 0; v < V; ++v) top = x.at[v] > top ? x.at[v] : top;
  if (top > s.top) s.raise(top);
  for (int v = 0; v < V; ++v) s.exps += exp<C>(gap(x.at[v], top));
  if (!spread) return;
  const Piece<C, V> q = quotas<V>(a, row, k, c);
  for (int v = 0; v < V; ++v) {
    s.mass += q.at[v];
    if (q.at[v] != 0) s.dot += q.at[v] * gap(x.at[v], top);
  }
}

// Each team's row after row; `weights` are the parts of the rows' weight if scale is 1 over it.
template <int V, class T>
__global__ void rows_kernel(Args<T> a, int team, int64_t rows_of_block, const double* weights, int weight_count,
                            double* sums) {
  using C = Compute<T>;
  __shared__ Row<C> parts[kThreads / kWarp];
  const C scale = weights ? static_cast<C>(1 / sum_of_few(weights, weight_count)) : a.scale;
  const bool spread = a.distribution || a.off != 0;
  const int rank = static_cast<int>(threadIdx.x) % team;
  const int64_t begin = blockIdx.x * rows_of_block, end = begin + rows_of_block < a.n ? begin + rows_of_block : a.n;
  double sum = 0;
  for (int64_t first = begin; first < end; first += kThreads / team) {
    const int64_t row = first + threadIdx.x / team;
    const int64_t k = row >= end ? kIgnored : a.distribution ? 0 : class_of(a, row);
    Row<C> s = Row<C>::none();
    if (k >= 0)
      for (int64_t c = rank * V; c < a.c; c += team * V) add_piece<V>(s, a, row, k, c, spread);
    s = merged(s, team, parts);
    if (row >= end) continue;

    if (!spread && k >= 0) {
      s.mass = a.on * weight_of(a, k);
      s.dot = s.mass == 0 ? 0 : s.mass * gap<C>(a.logits[row * a.c + k], s.top);
    }
    const C exps = s.exps + (s.top - s.top);  // NaN where the largest is infinite
    C loss = (s.mass == 0 ? 0 : s.mass * log<C>(exps)) - s.dot;
    if (k < 0) loss = k == kIgnored ? 0 : kNan<C>;
    const C factor = s.mass * scale / exps;
    for (int64_t c = rank * V; c < a.c; c += team * V) {
      Piece<C, V> d;
      if (k >= 0) {
        const Piece<C, V> x = read_piece<V>(a.logits + row * a.c + c), q = quotas<V>(a, row, k, c);
        for (int v = 0; v < V; ++v) d.at[v] = exp<C>(x.at[v] - s.top) * factor - q.at[v] * scale;
      } else {
        for (int v = 0; v < V; ++v) d.at[v] = loss;
      }
      write_piece(a.dlogits + row * a.c + c, d);
    }
    if (rank > 0) continue;
    if (a.losses) a.losses[row] = loss;
    sum += static_cast<double>(loss);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// The weight of the rows that count; what is no class counts 1.
template <class T>
__global__ void weigh_kernel(Args<T> a, double* sums) {
  double sum = 0;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; row < a.n; row += step) {
    const int64_t k = class_of(a, row);
    if (k != kIgnored) sum += k >= 0 ? static_cast<double>(weight_of(a, k)) : 1;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

template <class T>
struct Plan {
  bool wide;
  int team, weight_count;
  Blocks blocks;

  explicit Plan(const Args<T>& a) {
    wide = in_wide_pieces<T>(a.c, a.logits, a.distribution, a.dlogits);
    team = team_for(a.n, wide ? a.c / kWidest<T> : a.c);
    blocks = blocks_of(a.n, kThreads / team);
    const int64_t parts = ceil_div(a.n, kThreads);
    weight_count = !a.mean ? 0 : static_cast<int>(parts < kFewParts ? parts : kFewParts);
  }
  int64_t bytes() const { return (blocks.count + weight_count) * static_cast<int64_t>(sizeof(double)); }
};

template <class T>
double run(const Args<T>& a) {
  const Plan<T> plan(a);
  double *sums = static_cast<double*>(a.workspace), *weights = nullptr;
  if (plan.weight_count > 0) {
    weights = sums + plan.blocks.count;
    FASTNN_LAUNCH(weigh_kernel<T>, plan.weight_count, kThreads, 0, a, weights);
  }
  if (a.n > 0) {
    with_pieces<T>(plan.wide, [&]<int V>() {
      FASTNN_LAUNCH((rows_kernel<V, T>), plan.blocks.count, kThreads, 0, a, plan.team, plan.blocks.each, weights,
                    plan.weight_count, sums);
    });
  }
  finish_loss(sums, plan.blocks.count, a.scale, a.loss, weights, plan.weight_count);
  return 0;
}

template <class T>
int64_t workspace(const Args<T>& a) {
  return Plan<T>(a).bytes();
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(int64_t, softmax_cross_entropy_workspace, SoftmaxCrossEntropyArgs, workspace)
FASTNN_CUDA_STORAGE_KERNEL(double, softmax_cross_entropy, SoftmaxCrossEntropyArgs, run)

}  // namespace fastnn::cuda
