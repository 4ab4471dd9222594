#include "cuda/group_norm_backward.cuh"
#include "cuda/group_norm_forward.cuh"
#include "ops/group_norm.h"

namespace fastnn::cuda {
namespace {

template <class T, class Args>
ChannelGrid grid_of(const Args& a) {
  return ChannelGrid(a.images, a.rows, a.channels, a.channels % kPack<T> == 0 ? kPack<T> : 1);
}

int64_t blocks_for(int64_t results) {
  const int64_t blocks = ceil_div(results, kThreads), most = 4 * resident_blocks();
  return blocks < most ? blocks : most;
}

// ---- forward ----

template <class T>
int64_t forward_bytes(const GroupNormArgs<T>& a) {
  if (!a.use_input_stats) return 0;
  return grid_of<T>(a).partials() * static_cast<int64_t>(sizeof(Pair)) +
         a.images * a.groups * static_cast<int64_t>(sizeof(double));
}

template <class T>
void forward(const GroupNormArgs<T>& a) {
  const int64_t statistics = a.images * a.groups;
  if (statistics == 0) return;
  const ChannelGrid g = grid_of<T>(a);
  with_width<T>(
      a.channels,
      [&]<int V, bool kPacked>() {
        if (a.use_input_stats) {
          Pair* partial = static_cast<Pair*>(a.workspace);
          double* variances = reinterpret_cast<double*>(partial + g.partials());
          FASTNN_LAUNCH((moments_kernel<T, V, kPacked>), g.blocks(), kThreads, 0, g, a.x, partial);
          FASTNN_LAUNCH(statistics_kernel<T>, fold_blocks(statistics), kThreads, 0, g, a, partial, variances);
          if (a.images > 1 && (a.running_mean || a.running_var))
            FASTNN_LAUNCH(running_kernel<T>, blocks_for(a.groups), kThreads, 0, a, variances);
        } else {
          FASTNN_LAUNCH(given_statistics_kernel<T>, blocks_for(statistics), kThreads, 0, a);
        }
        if (g.items() > 0) FASTNN_LAUNCH((normalise_kernel<T, V, kPacked>), g.blocks(), kThreads, 0, g, a);
      },
      a.x, a.residual, a.y);
}

// ---- backward ----

template <class T>
int64_t backward_bytes(const GroupNormBackwardArgs<T>& a) {
  return grid_of<T>(a).partials() * static_cast<int64_t>(sizeof(Pair)) +
         2 * a.images * a.groups * static_cast<int64_t>(sizeof(Compute<T>));
}

template <class T>
void backward(const GroupNormBackwardArgs<T>& a) {
  const ChannelGrid g = grid_of<T>(a);
  const int64_t statistics = a.images * a.groups;
  Pair* partial = static_cast<Pair*>(a.workspace);
  auto* slope = reinterpret_cast<Compute<T>*>(partial + g.partials());
  auto* constant = slope + statistics;
  with_width<T>(
      a.channels,
      [&]<int V, bool kPacked>() {
        if (g.items() > 0) FASTNN_LAUNCH((gradient_sums_kernel<T, V, kPacked>), g.blocks(), kThreads, 0, g, a, partial);
        if ((a.dweight || a.dbias) && !(groups_are_channels(a) && g.items() > 0))
          FASTNN_LAUNCH(parameter_gradient_kernel<T>, fold_blocks(a.channels), kThreads, 0, g, a, partial);
        if (g.items() == 0) return;
        FASTNN_LAUNCH(group_gradient_kernel<T>, fold_blocks(statistics), kThreads, 0, g, a, partial, slope, constant);
        GroupNormBackwardArgs<T> last = a;
        if (a.dresidual && !kHalf<T>) {  // of half precision it is less than what the sums have seen
          last.dy = a.dresidual;
          last.activation = Activation::none;
        }
        FASTNN_LAUNCH((input_gradient_kernel<T, V, kPacked>), g.blocks(), kThreads, 0, g, last, slope, constant);
      },
      a.dy, a.x, a.y, a.dx, a.dresidual);
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(int64_t, group_norm_workspace, GroupNormArgs, forward_bytes)
FASTNN_CUDA_STORAGE_KERNEL(void, group_norm_forward, GroupNormArgs, forward)
FASTNN_CUDA_STORAGE_KERNEL(int64_t, group_norm_backward_workspace, GroupNormBackwardArgs, backward_bytes)
FASTNN_CUDA_STORAGE_KERNEL(void, group_norm_backward, GroupNormBackwardArgs, backward)

}  // namespace fastnn::cuda
