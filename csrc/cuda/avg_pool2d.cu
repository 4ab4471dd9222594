#include "cuda/images.cuh"
#include "formulas/avg_pool2d.h"

namespace fastnn::cuda {
namespace {

template <int V, class T>
struct Forward {
  using C = Compute<T>;
  AvgPool2dArgs<T> a;

  __device__ void operator()(int64_t image, int64_t p, int64_t q, int64_t c, int64_t index) const {
    const AvgPool2dGeometry& g = a.g;
    const Range<C> rows = rows_of<C>(g, p), columns = columns_of<C>(g, q);
    Piece<C, V> sum{};
    for (int64_t i = rows.begin; i < rows.end; ++i)
      for (int64_t j = columns.begin; j < columns.end; ++j) {
        const Piece<C, V> x = read_piece<V>(a.x + ((image * g.ih + i) * g.iw + j) * g.c + c);
        for (int v = 0; v < V; ++v) sum.at[v] += x.at[v];
      }
    const C factor = rows.factor * scale_of<C>(g);
    for (int v = 0; v < V; ++v) sum.at[v] = sum.at[v] * factor * columns.factor;
    write_piece(a.y + index, sum);
  }
};

// Each pixel sums over the windows that hold it.
template <int V, class T>
struct Backward {
  using C = Compute<T>;
  AvgPool2dArgs<T> a;

  __device__ void operator()(int64_t image, int64_t h, int64_t w, int64_t c, int64_t index) const {
    const AvgPool2dGeometry& g = a.g;
    const Range<C> rows = windows_of<C>(h, g.kh, g.stride_h, g.pad_top, g.oh);
    const Range<C> columns = windows_of<C>(w, g.kw, g.stride_w, g.pad_left, g.ow);
    const C scale = scale_of<C>(g);
    Piece<C, V> sum{};
    for (int64_t p = rows.begin; p < rows.end; ++p) {
      const C factor = rows_of<C>(g, p).factor * scale;
      for (int64_t q = columns.begin; q < columns.end; ++q) {
        const Piece<C, V> dy = read_piece<V>(a.x + ((image * g.oh + p) * g.ow + q) * g.c + c);
        const C both = factor * columns_of<C>(g, q).factor;
        for (int v = 0; v < V; ++v) sum.at[v] = fma(dy.at[v], both, sum.at[v]);
      }
    }
    write_piece(a.y + index, sum);
  }
};

template <template <int, class> class F, class T>
void run(const AvgPool2dArgs<T>& a, int64_t h, int64_t w) {
  with_pieces<T>(in_wide_pieces<T>(a.g.c, a.x, a.y), [&]<int V>() { for_pixels<V>({a.g.n, h, w, a.g.c}, F<V, T>{a}); });
}

template <class T>
void forward(const AvgPool2dArgs<T>& a) {
  run<Forward>(a, a.g.oh, a.g.ow);
}
template <class T>
void backward(const AvgPool2dArgs<T>& a) {
  run<Backward>(a, a.g.ih, a.g.iw);
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(int64_t, avg_pool2d_workspace, AvgPool2dArgs, no_workspace)
FASTNN_CUDA_STORAGE_KERNEL(void, avg_pool2d_forward, AvgPool2dArgs, forward)
FASTNN_CUDA_STORAGE_KERNEL(int64_t, avg_pool2d_input_gradient_workspace, AvgPool2dArgs, no_workspace)
FASTNN_CUDA_STORAGE_KERNEL(void, avg_pool2d_input_gradient, AvgPool2dArgs, backward)

}  // namespace fastnn::cuda
