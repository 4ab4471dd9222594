#include "cuda/images.cuh"
#include "formulas/avg_pool2d.h"

namespace fastnn::cuda {
namespace {

template <int V, class T>
struct Forward {
  AvgPool2dArgs<T> a;

  __device__ void operator()(int64_t image, int64_t p, int64_t q, int64_t c, int64_t index) const {
    const AvgPool2dGeometry& g = a.g;
    const Range<T> rows = rows_of<T>(g, p), columns = columns_of<T>(g, q);
    Piece<T, V> sum{};
    for (int64_t i = rows.begin; i < rows.end; ++i)
      for (int64_t j = columns.begin; j < columns.end; ++j) {
        const Piece<T, V> x = read_piece<V>(a.x + ((image * g.ih + i) * g.iw + j) * g.c + c);
        for (int v = 0; v < V; ++v) sum.at[v] += x.at[v];
      }
    const T factor = rows.factor * scale_of<T>(g);
    for (int v = 0; v < V; ++v) sum.at[v] = sum.at[v] * factor * columns.factor;
    write_piece(a.y + index, sum);
  }
};

// Each pixel sums over the windows that hold it.
template <int V, class T>
struct Backward {
  AvgPool2dArgs<T> a;

  __device__ void operator()(int64_t image, int64_t h, int64_t w, int64_t c, int64_t index) const {
    const AvgPool2dGeometry& g = a.g;
    const Range<T> rows = windows_of<T>(h, g.kh, g.stride_h, g.pad_top, g.oh);
    const Range<T> columns = windows_of<T>(w, g.kw, g.stride_w, g.pad_left, g.ow);
    const T scale = scale_of<T>(g);
    Piece<T, V> sum{};
    for (int64_t p = rows.begin; p < rows.end; ++p) {
      const T factor = rows_of<T>(g, p).factor * scale;
      for (int64_t q = columns.begin; q < columns.end; ++q) {
        const Piece<T, V> dy = read_piece<V>(a.x + ((image * g.oh + p) * g.ow + q) * g.c + c);
        const T both = factor * columns_of<T>(g, q).factor;
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

}  // namespace

int64_t avg_pool2d_workspace(const AvgPool2dArgs<float>&) { return 0; }
int64_t avg_pool2d_workspace(const AvgPool2dArgs<double>&) { return 0; }
void avg_pool2d_forward(const AvgPool2dArgs<float>& a) { run<Forward>(a, a.g.oh, a.g.ow); }
void avg_pool2d_forward(const AvgPool2dArgs<double>& a) { run<Forward>(a, a.g.oh, a.g.ow); }
int64_t avg_pool2d_input_gradient_workspace(const AvgPool2dArgs<float>&) { return 0; }
int64_t avg_pool2d_input_gradient_workspace(const AvgPool2dArgs<double>&) { return 0; }
void avg_pool2d_input_gradient(const AvgPool2dArgs<float>& a) { run<Backward>(a, a.g.ih, a.g.iw); }
void avg_pool2d_input_gradient(const AvgPool2dArgs<double>& a) { run<Backward>(a, a.g.ih, a.g.iw); }
FASTNN_CUDA_KERNEL(int64_t, avg_pool2d_workspace, AvgPool2dArgs)
FASTNN_CUDA_KERNEL(void, avg_pool2d_forward, AvgPool2dArgs)
FASTNN_CUDA_KERNEL(int64_t, avg_pool2d_input_gradient_workspace, AvgPool2dArgs)
FASTNN_CUDA_KERNEL(void, avg_pool2d_input_gradient, AvgPool2dArgs)

}  // namespace fastnn::cuda
