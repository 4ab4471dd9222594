#include "cuda/images.cuh"
#include "formulas/adaptive_avg_pool2d.h"

namespace fastnn::cuda {
namespace {

template <class T>
using Args = AdaptiveAvgPool2dArgs<T>;

// A block sums over the windows of several outputs: `lanes` threads side by side take pieces of channels, `groups`
// of them take the pixels of one window in turn.
struct Cut {
  int lanes, groups;
  int64_t tiles;  // of lanes, in the channels
};

// 128 bytes of channels side by side, four pixels or more a thread.
inline Cut cut_of(int64_t pieces, int piece_bytes, int64_t pixels) {
  Cut cut{1, 1, 0};
  while (cut.lanes < pieces && cut.lanes * piece_bytes < 128) cut.lanes *= 2;
  while (cut.lanes * cut.groups < kThreads && 4 * cut.groups < pixels) cut.groups *= 2;
  cut.tiles = ceil_div(pieces, cut.lanes);
  return cut;
}

template <int V, class T>
__global__ void forward_kernel(Args<T> a, Cut cut) {
  __shared__ Piece<Compute<T>, V> sums[kThreads];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % cut.lanes;
  const int group = thread / cut.lanes % cut.groups, units = kThreads / (cut.lanes * cut.groups);
  const int64_t unit = static_cast<int64_t>(blockIdx.x) * units + thread / (cut.lanes * cut.groups);
  const int64_t output = unit / cut.tiles, c = (unit % cut.tiles * cut.lanes + lane) * V;
  const bool real = output < a.n * a.oh * a.ow && c < a.c;
  const Part rows = part(output / a.ow % a.oh, a.oh, a.ih), columns = part(output % a.ow, a.ow, a.iw);
  Piece<Compute<T>, V> sum{};
  if (real) {
    const T* corner = a.x + ((output / (a.oh * a.ow) * a.ih + rows.begin) * a.iw + columns.begin) * a.c + c;
    const int64_t count = columns.size(), down = cut.groups / count, right = cut.groups % count;
    int64_t i = group / count, j = group % count;
    while (i < rows.size()) {
      const Piece<Compute<T>, V> x = read_piece<V>(corner + (i * a.iw + j) * a.c);
      for (int v = 0; v < V; ++v) sum.at[v] += x.at[v];
      i += down, j += right;
      if (j >= count) ++i, j -= count;
    }
  }
  for (int half = cut.groups / 2; half > 0; half /= 2) {
    sums[thread] = sum;
    __syncthreads();
    if (group < half) {
      const Piece<Compute<T>, V>& other = sums[thread + half * cut.lanes];
      for (int v = 0; v < V; ++v) sum.at[v] += other.at[v];
    }
    __syncthreads();
  }
  if (!real || group > 0) return;
  const auto area = static_cast<Compute<T>>(rows.size() * columns.size());
  for (int v = 0; v < V; ++v) sum.at[v] = sum.at[v] / area;
  write_piece(a.y + output * a.c + c, sum);
}

template <class T>
void forward(const Args<T>& a) {
  const int64_t outputs = a.n * a.oh * a.ow;
  if (outputs * a.c == 0) return;
  with_pieces<T>(in_wide_pieces<T>(a.c, a.x, a.y), [&]<int V>() {
    const Cut cut = cut_of(a.c / V, V * static_cast<int>(sizeof(T)), ceil_div(a.ih, a.oh) * ceil_div(a.iw, a.ow));
    const int64_t blocks = ceil_div(outputs * cut.tiles, kThreads / (cut.lanes * cut.groups));
    FASTNN_LAUNCH((forward_kernel<V, T>), blocks, kThreads, 0, a, cut);
  });
}

// Each pixel sums over the parts that hold it, in their order.
template <int V, class T>
struct Backward {
  AdaptiveAvgPool2dBackwardArgs<T> a;

  __device__ void operator()(int64_t image, int64_t h, int64_t w, int64_t c, int64_t index) const {
    const Part ps = parts_of(h, a.oh, a.ih), qs = parts_of(w, a.ow, a.iw);
    Piece<Compute<T>, V> sum{};
    for (int64_t p = ps.begin; p < ps.end; ++p)
      for (int64_t q = qs.begin; q < qs.end; ++q) {
        const auto area = static_cast<Compute<T>>(part(p, a.oh, a.ih).size() * part(q, a.ow, a.iw).size());
        const Piece<Compute<T>, V> dy = read_piece<V>(a.dy + ((image * a.oh + p) * a.ow + q) * a.c + c);
        for (int v = 0; v < V; ++v) sum.at[v] += dy.at[v] / area;
      }
    write_piece(a.dx + index, sum);
  }
};

template <class T>
void backward(const AdaptiveAvgPool2dBackwardArgs<T>& a) {
  with_pieces<T>(in_wide_pieces<T>(a.c, a.dy, a.dx),
                 [&]<int V>() { for_pixels<V>({a.n, a.ih, a.iw, a.c}, Backward<V, T>{a}); });
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(int64_t, adaptive_avg_pool2d_workspace, AdaptiveAvgPool2dArgs, no_workspace)
FASTNN_CUDA_STORAGE_KERNEL(void, adaptive_avg_pool2d_forward, AdaptiveAvgPool2dArgs, forward)
FASTNN_CUDA_STORAGE_KERNEL(int64_t, adaptive_avg_pool2d_input_gradient_workspace, AdaptiveAvgPool2dBackwardArgs,
                           no_workspace)
FASTNN_CUDA_STORAGE_KERNEL(void, adaptive_avg_pool2d_input_gradient, AdaptiveAvgPool2dBackwardArgs, backward)

}  // namespace fastnn::cuda
