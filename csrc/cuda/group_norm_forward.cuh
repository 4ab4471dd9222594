// The passes of group normalisation: moments of chunks of rows, statistics of the groups, the normalisation.
#pragma once

#include "cuda/channel_grid.cuh"
#include "formulas/normalise.h"
#include "ops/group_norm.h"

namespace fastnn::cuda {

// Mean and squared deviations of a chunk's rows, shifted by its first row, so that a large mean costs no digits and
// a constant channel has none to lose.
template <class T, int V, bool kPacked>
__global__ void moments_kernel(ChannelGrid g, const T* x, Pair* partial) {
  for (int64_t item = blockIdx.x; item < g.items(); item += gridDim.x) {
    const ChannelPlace p(g, item);
    Values<Compute<T>, V> shift{}, sum{}, squares{};
    if (p.active) {
      shift = read<V, kPacked>(x + p.at(g, p.begin));
      for_rows<V == 1 ? 8 : 4>(g, p, [&]<int N>(int64_t row) {
        Values<Compute<T>, V> v[N];
#pragma unroll
        for (int n = 0; n < N; ++n) v[n] = read<V, kPacked>(x + p.at(g, row + n * g.lanes));
#pragma unroll
        for (int n = 0; n < N; ++n)
#pragma unroll
          for (int k = 0; k < V; ++k) {
            const Compute<T> d = v[n].at[k] - shift.at[k];
            sum.at[k] += d;
            squares.at[k] = fma(d, d, squares.at[k]);
          }
      });
    }
    sum_block<V>(g, p, sum, squares, [&](int k, Pair sums) {
      const double offset = sums.first / static_cast<double>(p.end - p.begin);
      partial[p.partial(g) + k] = {static_cast<double>(shift.at[k]) + offset,
                                   squared_deviations(sums.first, offset, sums.second)};
    });
  }
}

template <class T>
__device__ __forceinline__ void set_statistics(const GroupNormArgs<T>& a, int64_t at, double mean, double variance) {
  a.mean[at] = static_cast<Compute<T>>(mean);
  if (a.mean_low) a.mean_low[at] = static_cast<Compute<T>>(mean - static_cast<double>(a.mean[at]));
  a.rstd[at] = static_cast<Compute<T>>(1 / sqrt(variance + a.eps));
}

// Mean and biased variance over the batch into the running statistics of a group.
template <class T>
__device__ __forceinline__ void move_running(const GroupNormArgs<T>& a, int64_t group, double mean, double variance) {
  const double n = static_cast<double>(a.rows * (a.channels / a.groups));
  const auto move = [&](Compute<T>& running, double value) {
    running = static_cast<Compute<T>>((1 - a.momentum) * static_cast<double>(running) + a.momentum * value);
  };
  if (a.running_mean) move(a.running_mean[group], mean);
  if (a.running_var) move(a.running_var[group], variance * (n / (n - 1)));
}

// The chunks and channels of every group merged: deviations of their means from the first one's.
template <class T>
__global__ void statistics_kernel(ChannelGrid g, GroupNormArgs<T> a, const Pair* partial, double* variances) {
  const int64_t all = a.images * a.groups, share = a.channels / a.groups;
  const double size = static_cast<double>(a.rows * share);
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * kFoldColumns; first < all;
       first += static_cast<int64_t>(gridDim.x) * kFoldColumns) {
    const int64_t at = first + threadIdx.x % kFoldColumns, image = at / a.groups, group = at % a.groups;
    const Pair* own = partial + image * g.chunks * g.channels + group * share;
    const double shift = at < all ? own->first : 0;
    const Pair sums = fold(at < all ? g.chunks * share : 0, [&](int64_t i) {
      const int64_t chunk = i / share;
      const Pair moments = own[chunk * g.channels + i % share];
      const double n = static_cast<double>(chunk < g.chunks - 1 ? g.per_chunk : g.rows - chunk * g.per_chunk);
      const double d = moments.first - shift;
      return Pair{n * d, fma(n * d, d, moments.second)};
    });
    if (at >= all || threadIdx.x >= kFoldColumns) continue;
    const double offset = sums.first / size, mean = shift + offset;
    const double variance = squared_deviations(sums.first, offset, sums.second) / size;
    set_statistics(a, at, mean, variance);
    variances[at] = variance;
    if (a.images == 1) move_running(a, group, mean, variance);
  }
}

// Of several images: their statistics' averages.
template <class T>
__global__ void running_kernel(GroupNormArgs<T> a, const double* variances) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t group = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; group < a.groups; group += step) {
    double mean = 0, variance = 0;
    for (int64_t at = group; at < a.images * a.groups; at += a.groups) {
      mean += static_cast<double>(a.mean[at]) + static_cast<double>(a.mean_low[at]);
      variance += variances[at];
    }
    const double images = static_cast<double>(a.images);
    move_running(a, group, mean / images, variance / images);
  }
}

// The running statistics as those of every image.
template <class T>
__global__ void given_statistics_kernel(GroupNormArgs<T> a) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t at = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; at < a.images * a.groups; at += step) {
    const int64_t group = at % a.groups;
    set_statistics(a, at, static_cast<double>(a.running_mean[group]), static_cast<double>(a.running_var[group]));
  }
}

// What a thread's channels of an image are multiplied with: z = (x - mean) scale + bias. What the mean lost by
// rounding goes into the bias.
template <class T, int V>
struct ChannelParameters {
  Values<T, V> mean, scale, bias;
  template <class Args>
  __device__ ChannelParameters(const Args& a, int64_t image, int64_t channel) {
    const int64_t share = a.channels / a.groups;
#pragma unroll
    for (int k = 0; k < V; ++k) {
      const int64_t c = channel + k, at = image * a.groups + c / share;
      mean.at[k] = a.mean[at];
      scale.at[k] = a.weight ? a.rstd[at] * a.weight[c] : a.rstd[at];
      bias.at[k] = a.bias ? a.bias[c] : T{0};
      if (a.mean_low) bias.at[k] -= a.mean_low[at] * scale.at[k];
    }
  }
};

template <class T, int V, bool kPacked>
__global__ void normalise_kernel(ChannelGrid g, GroupNormArgs<T> a) {
  // Backwards: what the moments read last is still in L2.
  for (int64_t i = blockIdx.x; i < g.items(); i += gridDim.x) {
    const ChannelPlace p(g, g.items() - 1 - i);
    if (!p.active) continue;
    const ChannelParameters<Compute<T>, V> f(a, p.image, p.channel);
    for_rows<V == 1 ? 8 : 4>(g, p, [&]<int N>(int64_t row) {
      Values<Compute<T>, V> z[N], residual[N];
#pragma unroll
      for (int n = 0; n < N; ++n) {
        const int64_t at = p.at(g, row + n * g.lanes);
        z[n] = read<V, kPacked>(a.x + at);
        residual[n] = read_or<V, kPacked>(a.residual, at, 0);
      }
#pragma unroll
      for (int n = 0; n < N; ++n) {
#pragma unroll
        for (int k = 0; k < V; ++k) {
          z[n].at[k] = fma(z[n].at[k] - f.mean.at[k], f.scale.at[k], f.bias.at[k]);
          if (a.residual) z[n].at[k] += residual[n].at[k];
        }
        activate_all(a.activation, a.activation_parameter, z[n]);
        write<kPacked>(a.y + p.at(g, row + n * g.lanes), z[n]);
      }
    });
  }
}

}  // namespace fastnn::cuda
