#include "cuda/row_team.cuh"
#include "formulas/normalise.h"
#include "ops/layer_norm.h"

namespace fastnn::cuda {
namespace {

template <class T, int V>
using Kept = Values<T, V>[kKept<V>];

// ---- forward ----

template <class T, int V, bool kPacked>
__global__ void __launch_bounds__(kThreads, 2) forward_kernel(RowGrid g, LayerNormArgs<T> a, double inverse) {
  using C = Compute<T>;
  __shared__ C shared[1][kThreads / 32], shared_pair[2][kThreads / 32];
  const RowPlace<V> p(g);
  const int64_t step = static_cast<int64_t>(gridDim.x) * g.teams;
  for (int64_t base = static_cast<int64_t>(blockIdx.x) * g.teams; base < g.rows; base += step) {
    // A team without a row takes the last one again, for the barriers' sake, and writes nothing.
    const bool mine = base + p.team < g.rows;
    const int64_t row = mine ? base + p.team : g.rows - 1, at = row * g.length;
    Kept<C, V> x;
    const auto fetch = [&](int64_t start) {
      p.each(start, [&](int k, int64_t column) { x[k] = read<V, kPacked>(a.x + at + column); });
    };

    // One pass over values shifted by the mean of the first segment, itself taken from values shifted by the first
    // one: a large mean costs no digits, and a constant row has mean and variance without error.
    const C corner = a.x[at];
    fetch(0);
    C start[1] = {0};
    p.each(0, [&](int k, int64_t) {
#pragma unroll
      for (int v = 0; v < V; ++v) start[0] += x[k].at[v] - corner;
    });
    sum_team(start, g.warps, shared);
    const C shift = corner + start[0] / static_cast<C>((g.whole ? g.packs : p.segment) * V);
    C sums[2] = {0, 0};
    for (int64_t s = 0; s < g.packs; s += p.segment) {
      if (s > 0) fetch(s);
      p.each(s, [&](int k, int64_t) {
#pragma unroll
        for (int v = 0; v < V; ++v) {
          const C d = x[k].at[v] - shift;
          sums[0] += d;
          sums[1] = fma(d, d, sums[1]);
        }
      });
    }
    sum_team(sums, g.warps, shared_pair);
    const double offset = static_cast<double>(sums[0]) * inverse, exact = static_cast<double>(shift) + offset;
    const double m2 = squared_deviations(static_cast<double>(sums[0]), offset, static_cast<double>(sums[1]));
    const C mean = static_cast<C>(exact), mean_low = static_cast<C>(exact - static_cast<double>(mean));
    const C rstd = 1 / sqrt(static_cast<C>(m2 * inverse + a.eps)), low = -mean_low * rstd;
    if (!mine) continue;  // no barrier follows in this round, and the next round has none for this team
    if (p.first == 0) {
      a.mean[row] = mean;
      a.mean_low[row] = mean_low;
      a.rstd[row] = rstd;
    }
    for (int64_t s = 0; s < g.packs; s += p.segment) {
      if (!g.whole) fetch(s);
      p.each(s, [&](int k, int64_t column) {
        const Values<C, V> weight = read_or<V, kPacked>(a.weight, column, 1);
        const Values<C, V> bias = read_or<V, kPacked>(a.bias, column, 0);
        const Values<C, V> residual = read_or<V, kPacked>(a.residual, at + column, 0);
        Values<C, V> z;
#pragma unroll
        for (int v = 0; v < V; ++v) {
          z.at[v] = fma(fma(x[k].at[v] - mean, rstd, low), weight.at[v], bias.at[v]);
          if (a.residual) z.at[v] += residual.at[v];
        }
        activate_all(a.activation, a.activation_parameter, z);
        write<kPacked>(a.y + at + column, z);
      });
    }
  }
}

template <class T>
void forward(const LayerNormArgs<T>& a) {
  if (a.rows == 0) return;
  with_width<T>(
      a.length,
      [&]<int V, bool kPacked>() {
        const RowGrid g(a.rows, a.length, V, kKept<V>);
        const double inverse = 1 / static_cast<double>(a.length);
        FASTNN_LAUNCH((forward_kernel<T, V, kPacked>), g.blocks(1 << 20), kThreads, 0, g, a, inverse);
      },
      a.x, a.residual, a.weight, a.bias, a.y);
}

// ---- backward ----

// dz = dy act'(y) in place of dy, xhat in place of x.
template <class T, int V, bool kPacked, class C = Compute<T>>
__device__ __forceinline__ void gradient(const LayerNormBackwardArgs<T>& a, int64_t at, int64_t column, C mean, C rstd,
                                         C low, Values<C, V>& xhat, Values<C, V>& dz) {
#pragma unroll
  for (int v = 0; v < V; ++v) xhat.at[v] = fma(xhat.at[v] - mean, rstd, low);
  if (a.activation == Activation::none) return;
  Values<C, V> y;
  if (recomputes(a.activation, a.has_residual)) {
    const Values<C, V> weight = read_or<V, kPacked>(a.weight, column, 1);
    const Values<C, V> bias = read_or<V, kPacked>(a.bias, column, 0);
#pragma unroll
    for (int v = 0; v < V; ++v) y.at[v] = fma(xhat.at[v], weight.at[v], bias.at[v]);
  } else {
    y = read<V, kPacked>(a.y + at + column);
  }
  gradient_all(a.activation, a.activation_parameter, y, dz);
}

// dx, and the block's sums of dz xhat and dz over its rows: those of rows that fit the registers are kept there too,
// longer ones' are added up in the workspace.
template <class T, int V, bool kPacked>
__global__ void __launch_bounds__(kThreads, 2)
    backward_kernel(RowGrid g, LayerNormBackwardArgs<T> a, Compute<T> inverse, Compute<T>* partial) {
  using C = Compute<T>;
  __shared__ C shared[2][kThreads / 32];
  const RowPlace<V> p(g);
  C *dweight = partial + static_cast<int64_t>(blockIdx.x) * 2 * g.length, *dbias = dweight + g.length;
  const auto add = [&](C* sums, const Values<C, V>& more, bool first) {
    Values<C, V> sum = more;
    if (!first) {
      sum = read<V, kPacked>(sums);
#pragma unroll
      for (int v = 0; v < V; ++v) sum.at[v] += more.at[v];
    }
    write<kPacked>(sums, sum);
  };
  Kept<C, V> dw{}, db{};
  const int64_t step = static_cast<int64_t>(gridDim.x) * g.teams, own = static_cast<int64_t>(blockIdx.x) * g.teams;
  for (int64_t base = own; base < g.rows; base += step) {
    const bool mine = base + p.team < g.rows;
    const int64_t row = mine ? base + p.team : g.rows - 1, at = row * g.length;
    const C mean = a.mean[row], rstd = a.rstd[row], low = -a.mean_low[row] * rstd;
    Kept<C, V> xhat, dz;
    const auto fetch = [&](int64_t start) {
      p.each(start, [&](int k, int64_t column) {
        xhat[k] = read<V, kPacked>(a.x + at + column);
        dz[k] = read<V, kPacked>(a.dy + at + column);
      });
      p.each(start,
             [&](int k, int64_t column) { gradient<T, V, kPacked>(a, at, column, mean, rstd, low, xhat[k], dz[k]); });
    };

    // The means of g = dz weight and of g xhat over the row.
    C sums[2] = {0, 0};
    for (int64_t s = 0; s < g.packs; s += p.segment) {
      fetch(s);
      p.each(s, [&](int k, int64_t column) {
        const Values<C, V> weight = read_or<V, kPacked>(a.weight, column, 1);
#pragma unroll
        for (int v = 0; v < V; ++v) {
          const C gain = dz[k].at[v] * weight.at[v];
          sums[0] += gain;
          sums[1] = fma(gain, xhat[k].at[v], sums[1]);
        }
      });
    }
    sum_team(sums, g.warps, shared);
    if (!mine) continue;
    const C constant = -rstd * (sums[0] * inverse), slope = -rstd * (sums[1] * inverse);
    for (int64_t s = 0; s < g.packs; s += p.segment) {
      if (!g.whole) fetch(s);
      p.each(s, [&](int k, int64_t column) {
        const Values<C, V> weight = read_or<V, kPacked>(a.weight, column, 1);
        Values<C, V> dx, product;
#pragma unroll
        for (int v = 0; v < V; ++v) {
          dx.at[v] = normalise_gradient<C>(dz[k].at[v] * weight.at[v], xhat[k].at[v], rstd, slope, constant);
          product.at[v] = dz[k].at[v] * xhat[k].at[v];
          dw[k].at[v] += product.at[v];
          db[k].at[v] += dz[k].at[v];
        }
        if (a.dresidual) write<kPacked>(a.dresidual + at + column, dz[k]);
        write<kPacked>(a.dx + at + column, dx);
        if (partial && !g.whole) {
          add(dweight + column, product, base == own);
          add(dbias + column, dz[k], base == own);
        }
      });
    }
  }
  if (!partial || !g.whole) return;
  for (int team = 0; team < g.teams; ++team) {
    if (team == p.team)
      p.each(0, [&](int k, int64_t column) {
        add(dweight + column, dw[k], team == 0);
        add(dbias + column, db[k], team == 0);
      });
    __syncthreads();
  }
}

// The blocks' sums added up: 8 columns a block, 32 threads each.
inline constexpr int kColumns = 8;

template <class T>
__global__ void parameter_gradient_kernel(int64_t blocks, int64_t length, const T* partial, T* dweight, T* dbias) {
  __shared__ double sums[1][kThreads];
  const int64_t all = 2 * length;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * kColumns; first < all;
       first += static_cast<int64_t>(gridDim.x) * kColumns) {
    const int64_t column = first + threadIdx.x % kColumns;
    double sum = 0;
    if (column < all)
#pragma unroll 4
      for (int64_t b = threadIdx.x / kColumns; b < blocks; b += kThreads / kColumns)
        sum += static_cast<double>(partial[b * all + column]);
    __syncthreads();  // the last sums have been read
    sums[0][threadIdx.x] = sum;
    sum_columns(sums, kThreads / kColumns, kColumns);
    T* out = column < length ? dweight : dbias;
    if (threadIdx.x < kColumns && column < all && out) out[column % length] = static_cast<T>(sums[0][threadIdx.x]);
  }
}

// Blocks of the backward pass: two waves of 264 on a large GPU, and no more than 2^24 partial sums.
template <class T>
int64_t backward_blocks(const LayerNormBackwardArgs<T>& a) {
  const int width = a.length % kPack<T> == 0 ? kPack<T> : 1;
  const int64_t room = (int64_t{1} << 24) / a.length, most = room > 512 ? 512 : room > 1 ? room : 1;
  return RowGrid(a.rows, a.length, width, width == 1 ? kKept<1> : kKept<kPack<T>>).blocks(most);
}

template <class T>
int64_t backward_bytes(const LayerNormBackwardArgs<T>& a) {
  return a.dweight || a.dbias ? backward_blocks(a) * 2 * a.length * static_cast<int64_t>(sizeof(Compute<T>)) : 0;
}

template <class T>
void backward(const LayerNormBackwardArgs<T>& a) {
  using C = Compute<T>;
  C* partial = a.dweight || a.dbias ? static_cast<C*>(a.workspace) : nullptr;
  const int64_t blocks = backward_blocks(a);
  if (blocks > 0)
    with_width<T>(
        a.length,
        [&]<int V, bool kPacked>() {
          const RowGrid g(a.rows, a.length, V, kKept<V>);
          const C inverse = static_cast<C>(1 / static_cast<double>(a.length));
          FASTNN_LAUNCH((backward_kernel<T, V, kPacked>), blocks, kThreads, 0, g, a, inverse, partial);
        },
        a.dy, a.x, a.y, a.weight, a.bias, a.dx, a.dresidual, partial);
  if (!a.dweight && !a.dbias) return;
  const int64_t folds = ceil_div(2 * a.length, kColumns);
  FASTNN_LAUNCH(parameter_gradient_kernel<C>, folds < (1 << 20) ? folds : 1 << 20, kThreads, 0, blocks, a.length,
                partial, a.dweight, a.dbias);
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(int64_t, layer_norm_workspace, LayerNormArgs, no_workspace)
FASTNN_CUDA_STORAGE_KERNEL(void, layer_norm_forward, LayerNormArgs, forward)
FASTNN_CUDA_STORAGE_KERNEL(int64_t, layer_norm_backward_workspace, LayerNormBackwardArgs, backward_bytes)
FASTNN_CUDA_STORAGE_KERNEL(void, layer_norm_backward, LayerNormBackwardArgs, backward)

}  // namespace fastnn::cuda
