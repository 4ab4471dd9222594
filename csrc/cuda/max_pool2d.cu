#include "cuda/images.cuh"
#include "formulas/max_pool2d.h"

namespace fastnn::cuda {
namespace {

template <int V, class T, class I>
struct Forward {
  MaxPool2dArgs<T> a;

  __device__ void operator()(int64_t image, int64_t p, int64_t q, int64_t c, int64_t index) const {
    const MaxPool2dGeometry& g = a.g;
    const int64_t top = p * g.stride_h - g.pad_top, left = q * g.stride_w - g.pad_left;
    const Inside rows = inside(top, g.kh, g.dilation_h, g.ih), columns = inside(left, g.kw, g.dilation_w, g.iw);
    const bool empty = rows.first == rows.last || columns.first == columns.last;
    Best<Compute<T>, V> best(empty ? -1 : static_cast<int>(rows.first * g.kw + columns.first));
    for (int64_t i = rows.first; i < rows.last; ++i) {
      const T* line = a.x + ((image * g.ih + top + i * g.dilation_h) * g.iw + left) * g.c + c;
      for (int64_t j = columns.first; j < columns.last; ++j)
        best.meet(line + j * g.dilation_w * g.c, static_cast<int>(i * g.kw + j));
    }
    best.write(a.y + index, static_cast<I*>(a.codes) + index);
  }
};

// Each pixel sums over the windows that cover it, in their order.
template <int V, class T, class I>
struct Backward {
  MaxPool2dBackwardArgs<T> a;
  Steps row_steps, column_steps;

  __device__ void operator()(int64_t image, int64_t h, int64_t w, int64_t c, int64_t index) const {
    const MaxPool2dGeometry& g = a.g;
    const Cover rows = cover(h + g.pad_top, g.oh, g.kh, g.stride_h, g.dilation_h, row_steps);
    const Cover columns = cover(w + g.pad_left, g.ow, g.kw, g.stride_w, g.dilation_w, column_steps);
    Piece<Compute<T>, V> sum{};
    for (int64_t i = 0; i < rows.count; ++i)
      for (int64_t j = 0; j < columns.count; ++j) {
        const int64_t p = rows.first + i * rows.step, q = columns.first + j * columns.step;
        const int64_t from = ((image * g.oh + p) * g.ow + q) * g.c + c;
        const I tap = static_cast<I>((rows.tap - i * rows.tap_step) * g.kw + columns.tap - j * columns.tap_step);
        const Piece<I, V> codes = read_piece<V>(static_cast<const I*>(a.codes) + from);
        const Piece<Compute<T>, V> dy = read_piece<V>(a.dy + from);
        for (int v = 0; v < V; ++v) sum.at[v] += codes.at[v] == tap ? dy.at[v] : 0;
      }
    write_piece(a.dx + index, sum);
  }
};

template <class T>
void forward(const MaxPool2dArgs<T>& a) {
  const MaxPool2dGeometry& g = a.g;
  const ImageSize y{g.n, g.oh, g.ow, g.c};
  with_pieces<T>(in_wide_pieces<T>(g.c, a.x, a.y, a.codes), [&]<int V>() {
    if (g.code_bytes == 1)
      for_pixels<V>(y, Forward<V, T, uint8_t>{a});
    else
      for_pixels<V>(y, Forward<V, T, int32_t>{a});
  });
}

template <class T>
void backward(const MaxPool2dBackwardArgs<T>& a) {
  const MaxPool2dGeometry& g = a.g;
  const ImageSize dx{g.n, g.ih, g.iw, g.c};
  const Steps rows = steps_of(g.stride_h, g.dilation_h), columns = steps_of(g.stride_w, g.dilation_w);
  with_pieces<T>(in_wide_pieces<T>(g.c, a.dy, a.dx, a.codes), [&]<int V>() {
    if (g.code_bytes == 1)
      for_pixels<V>(dx, Backward<V, T, uint8_t>{a, rows, columns});
    else
      for_pixels<V>(dx, Backward<V, T, int32_t>{a, rows, columns});
  });
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(void, max_pool2d_forward, MaxPool2dArgs, forward)
FASTNN_CUDA_STORAGE_KERNEL(int64_t, max_pool2d_input_gradient_workspace, MaxPool2dBackwardArgs, no_workspace)
FASTNN_CUDA_STORAGE_KERNEL(void, max_pool2d_input_gradient, MaxPool2dBackwardArgs, backward)

}  // namespace fastnn::cuda
