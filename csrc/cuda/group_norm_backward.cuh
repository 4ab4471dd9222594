// The passes of group normalisation's gradient: sums over chunks of rows, the groups' share of dx and the
// parameters' gradients from them, dx.
#pragma once

#include "cuda/group_norm_forward.cuh"

namespace fastnn::cuda {

// N rows of dz = dy act'(y) and x - mean.
template <class T, int V, bool kPacked, int N>
struct ChannelGradient {
  Values<Compute<T>, V> dz[N], centred[N];

  __device__ __forceinline__ ChannelGradient(const GroupNormBackwardArgs<T>& a,
                                             const ChannelParameters<Compute<T>, V>& f, const ChannelGrid& g,
                                             const ChannelPlace& p, int64_t row) {
    const bool from_x = recomputes(a.activation, a.has_residual);
    const bool from_y = !from_x && a.activation != Activation::none;
    Values<Compute<T>, V> y[N];
#pragma unroll
    for (int n = 0; n < N; ++n) {
      const int64_t at = p.at(g, row + n * g.lanes);
      centred[n] = read<V, kPacked>(a.x + at);
      dz[n] = read<V, kPacked>(a.dy + at);
      y[n] = read_or<V, kPacked>(from_y ? a.y : nullptr, at, 0);
    }
#pragma unroll
    for (int n = 0; n < N; ++n) {
#pragma unroll
      for (int k = 0; k < V; ++k) {
        centred[n].at[k] -= f.mean.at[k];
        if (from_x) y[n].at[k] = fma(centred[n].at[k], f.scale.at[k], f.bias.at[k]);
      }
      gradient_all(a.activation, a.activation_parameter, y[n], dz[n]);
    }
  }
};

// Sums of dz and dz (x - mean). Writes dresidual = dz on the way, for the last pass to read in place of dy and y.
template <class T, int V, bool kPacked>
__global__ void gradient_sums_kernel(ChannelGrid g, GroupNormBackwardArgs<T> a, Pair* partial) {
  for (int64_t item = blockIdx.x; item < g.items(); item += gridDim.x) {
    const ChannelPlace p(g, item);
    Values<Compute<T>, V> sum{}, product{};
    if (p.active) {
      const ChannelParameters<Compute<T>, V> f(a, p.image, p.channel);
      for_rows<V == 1 ? 4 : 2>(g, p, [&]<int N>(int64_t row) {
        const ChannelGradient<T, V, kPacked, N> v(a, f, g, p, row);
#pragma unroll
        for (int n = 0; n < N; ++n) {
          if (a.dresidual) write<kPacked>(a.dresidual + p.at(g, row + n * g.lanes), v.dz[n]);
#pragma unroll
          for (int k = 0; k < V; ++k) {
            sum.at[k] += v.dz[n].at[k];
            product.at[k] = fma(v.dz[n].at[k], v.centred[n].at[k], product.at[k]);
          }
        }
      });
    }
    sum_block<V>(g, p, sum, product, [&](int k, Pair sums) { partial[p.partial(g) + k] = sums; });
  }
}

// A channel's sums of dz and dz xhat in one chunk of an image.
template <class T>
__device__ __forceinline__ Pair parameter_sums(const GroupNormBackwardArgs<T>& a, int64_t at, Pair sums) {
  const double low = a.mean_low ? static_cast<double>(a.mean_low[at]) : 0;
  return {sums.first, static_cast<double>(a.rstd[at]) * (sums.second - low * sums.first)};
}

// One image, a group a channel: what dx needs of a group is what dweight and dbias are.
template <class T>
__host__ __device__ bool groups_are_channels(const GroupNormBackwardArgs<T>& a) {
  return a.images == 1 && a.groups == a.channels;
}

// Of every group of an image: the slope and the constant of dx = scale dz + slope (x - mean) + constant.
template <class T>
__global__ void group_gradient_kernel(ChannelGrid g, GroupNormBackwardArgs<T> a, const Pair* partial, Compute<T>* slope,
                                      Compute<T>* constant) {
  const int64_t all = a.images * a.groups, share = a.channels / a.groups;
  const double inverse = 1 / static_cast<double>(a.rows * share);
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * kFoldColumns; first < all;
       first += static_cast<int64_t>(gridDim.x) * kFoldColumns) {
    const int64_t at = first + threadIdx.x % kFoldColumns, image = at / a.groups, group = at % a.groups;
    const int64_t start = image * g.chunks * g.channels + group * share;
    const Pair sums = fold(at < all ? g.chunks * share : 0, [&](int64_t i) {
      const int64_t c = i % share;
      const Pair own = parameter_sums(a, at, partial[start + i / share * g.channels + c]);
      const double weight = a.weight && share > 1 ? static_cast<double>(a.weight[group * share + c]) : 1;
      return Pair{weight * own.first, weight * own.second};
    });
    if (at >= all || threadIdx.x >= kFoldColumns) continue;
    const double rstd = static_cast<double>(a.rstd[at]), low = a.mean_low ? static_cast<double>(a.mean_low[at]) : 0;
    const double gain = a.weight && share == 1 ? rstd * static_cast<double>(a.weight[group]) : rstd;
    const double bend = a.use_input_stats ? -gain * rstd * sums.second * inverse : 0;
    slope[at] = static_cast<Compute<T>>(bend);
    constant[at] = a.use_input_stats ? static_cast<Compute<T>>(-gain * sums.first * inverse - bend * low) : 0;
    if (groups_are_channels(a)) {
      if (a.dbias) a.dbias[group] = static_cast<Compute<T>>(sums.first);
      if (a.dweight) a.dweight[group] = static_cast<Compute<T>>(sums.second);
    }
  }
}

// dweight and dbias: sums over all images and chunks.
template <class T>
__global__ void parameter_gradient_kernel(ChannelGrid g, GroupNormBackwardArgs<T> a, const Pair* partial) {
  const int64_t share = a.channels / a.groups;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * kFoldColumns; first < a.channels;
       first += static_cast<int64_t>(gridDim.x) * kFoldColumns) {
    const int64_t c = first + threadIdx.x % kFoldColumns;
    const Pair sums = fold(c < a.channels ? a.images * g.chunks : 0, [&](int64_t i) {
      return parameter_sums(a, i / g.chunks * a.groups + c / share, partial[i * g.channels + c]);
    });
    if (c >= a.channels || threadIdx.x >= kFoldColumns) continue;
    if (a.dbias) a.dbias[c] = static_cast<Compute<T>>(sums.first);
    if (a.dweight) a.dweight[c] = static_cast<Compute<T>>(sums.second);
  }
}

template <class T, int V, bool kPacked>
__global__ void input_gradient_kernel(ChannelGrid g, GroupNormBackwardArgs<T> a, const Compute<T>* slope,
                                      const Compute<T>* constant) {
  const int64_t share = a.channels / a.groups;
  for (int64_t i = blockIdx.x; i < g.items(); i += gridDim.x) {
    const ChannelPlace p(g, g.items() - 1 - i);  // backwards: what the sums read last is still in L2
    if (!p.active) continue;
    const ChannelParameters<Compute<T>, V> f(a, p.image, p.channel);
    Values<Compute<T>, V> bend, shift;
#pragma unroll
    for (int k = 0; k < V; ++k) {
      const int64_t at = p.image * a.groups + (p.channel + k) / share;
      bend.at[k] = slope[at];
      shift.at[k] = constant[at];
    }
    for_rows<V == 1 ? 4 : 2>(g, p, [&]<int N>(int64_t row) {
      const ChannelGradient<T, V, kPacked, N> v(a, f, g, p, row);
#pragma unroll
      for (int n = 0; n < N; ++n) {
        Values<Compute<T>, V> dx;
#pragma unroll
        for (int k = 0; k < V; ++k)
          dx.at[k] =
              normalise_gradient<Compute<T>>(v.dz[n].at[k], v.centred[n].at[k], f.scale.at[k], bend.at[k], shift.at[k]);
        write<kPacked>(a.dx + p.at(g, row + n * g.lanes), dx);
      }
    });
  }
}

}  // namespace fastnn::cuda
