#include "cuda/images.cuh"
#include "cuda/step_inputs.h"
#include "formulas/fractional_max_pool2d.h"

namespace fastnn::cuda {
namespace {

// One thread an image and window of rows or of columns.
template <class T>
__global__ void starts_kernel(FractionalMaxPool2dArgs<T> a, StepNumbers<StreamPosition> numbers) {
  const StreamPosition draw = numbers.get();
  a.seed = draw.seed, a.offset = draw.offset;
  const FractionalGeometry& g = a.g;
  const int64_t each = g.oh + g.ow, step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < g.n * each; i += step) {
    const int64_t image = i / each, at = i - image * each;
    const bool of_rows = at < g.oh;
    const double u = image_uniform(a, image, of_rows ? 0 : 1);
    a.starts[i] = of_rows ? window_start(at, g.ih, g.kh, g.oh, u) : window_start(at - g.oh, g.iw, g.kw, g.ow, u);
  }
}

template <int V, class T>
struct Forward {
  FractionalMaxPool2dArgs<T> a;

  __device__ void operator()(int64_t image, int64_t p, int64_t q, int64_t c, int64_t index) const {
    const FractionalGeometry& g = a.g;
    const int64_t *rows = a.starts + image * (g.oh + g.ow), *columns = rows + g.oh;
    const T* corner = a.x + ((image * g.ih + rows[p]) * g.iw + columns[q]) * g.c + c;
    Best<Compute<T>, V> best(0);
    for (int64_t i = 0; i < g.kh; ++i)
      for (int64_t j = 0; j < g.kw; ++j) best.meet(corner + (i * g.iw + j) * g.c, static_cast<int>(i * g.kw + j));
    best.write(a.y + index, a.codes + index);
  }
};

// The first of the rising starts that is above `value`; `count` if none is.
__device__ int64_t first_above(const int64_t* starts, int64_t count, int64_t value) {
  int64_t low = 0, high = count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (starts[middle] > value)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

// Each pixel sums over the windows that hold it, in their order.
template <int V, class T>
struct Backward {
  FractionalMaxPool2dBackwardArgs<T> a;

  __device__ void operator()(int64_t image, int64_t h, int64_t w, int64_t c, int64_t index) const {
    const FractionalGeometry& g = a.g;
    const int64_t *rows = a.starts + image * (g.oh + g.ow), *columns = rows + g.oh;
    const int64_t first_row = first_above(rows, g.oh, h - g.kh), first_column = first_above(columns, g.ow, w - g.kw);
    Piece<Compute<T>, V> sum{};
    for (int64_t p = first_row; p < g.oh && rows[p] <= h; ++p)
      for (int64_t q = first_column; q < g.ow && columns[q] <= w; ++q) {
        const int64_t from = ((image * g.oh + p) * g.ow + q) * g.c + c;
        const auto tap = static_cast<uint8_t>((h - rows[p]) * g.kw + w - columns[q]);
        const Piece<uint8_t, V> codes = read_piece<V>(a.codes + from);
        const Piece<Compute<T>, V> dy = read_piece<V>(a.dy + from);
        for (int v = 0; v < V; ++v) sum.at[v] += codes.at[v] == tap ? dy.at[v] : 0;
      }
    write_piece(a.dx + index, sum);
  }
};

template <class T>
void forward(const FractionalMaxPool2dArgs<T>& a) {
  const FractionalGeometry& g = a.g;
  const int64_t blocks = ceil_div(g.n * (g.oh + g.ow), kThreads), most = resident_blocks();
  if (blocks > 0) {
    const StepNumbers<StreamPosition> numbers(nullptr, {a.seed, a.offset});
    FASTNN_LAUNCH(starts_kernel<T>, blocks < most ? blocks : most, kThreads, 0, a, numbers);
  }
  with_pieces<T>(in_wide_pieces<T>(g.c, a.x, a.y, a.codes),
                 [&]<int V>() { for_pixels<V>({g.n, g.oh, g.ow, g.c}, Forward<V, T>{a}); });
}

template <class T>
void backward(const FractionalMaxPool2dBackwardArgs<T>& a) {
  const FractionalGeometry& g = a.g;
  with_pieces<T>(in_wide_pieces<T>(g.c, a.dy, a.dx, a.codes),
                 [&]<int V>() { for_pixels<V>({g.n, g.ih, g.iw, g.c}, Backward<V, T>{a}); });
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(void, fractional_max_pool2d_forward, FractionalMaxPool2dArgs, forward)
FASTNN_CUDA_STORAGE_KERNEL(void, fractional_max_pool2d_input_gradient, FractionalMaxPool2dBackwardArgs, backward)

}  // namespace fastnn::cuda
