#include "cuda/product.cuh"
#include "ops/matmul.h"

namespace fastnn::cuda {
namespace {

template <class T>
struct Matmul {
  int64_t m, n, k, slices;
  MatmulArgs<T> a;

  explicit Matmul(const MatmulArgs<T>& args) : m(args.m), n(args.n), k(args.k), slices(1), a(args) {
    for (int axis = 0; axis < a.batch_rank; ++axis) slices *= a.batch_shape[axis];
  }

  struct Slice {
    using A = Strided<T>;
    using B = Strided<T>;
    int64_t m, n, k;
    A a;
    B b;
    Epilogue<T> epilogue;
    __device__ int64_t row_offset(int64_t row) const { return row * n; }
    __device__ int64_t column_offset(int64_t column) const { return column; }
  };
  __device__ Slice slice(int64_t index) const {
    int64_t from_a = 0, from_b = 0, rest = index;
    for (int axis = a.batch_rank - 1; axis >= 0; --axis) {
      const int64_t i = rest % a.batch_shape[axis];
      rest /= a.batch_shape[axis];
      from_a += i * a.a_batch[axis];
      from_b += i * a.b_batch[axis];
    }
    return {m,
            n,
            k,
            {a.a + from_a, a.a_row, a.a_col},
            {a.b + from_b, a.b_col, a.b_row},
            {a.c + index * m * n, a.bias, a.activation, a.activation_parameter}};
  }
};

}  // namespace

int64_t matmul_workspace(const MatmulArgs<float>& a) { return product_workspace<float>(Matmul<float>(a)); }
int64_t matmul_workspace(const MatmulArgs<double>& a) { return product_workspace<double>(Matmul<double>(a)); }
void matmul(const MatmulArgs<float>& a) { run_product<float>(Matmul<float>(a), a.workspace); }
void matmul(const MatmulArgs<double>& a) { run_product<double>(Matmul<double>(a), a.workspace); }
FASTNN_CUDA_KERNEL(int64_t, matmul_workspace, MatmulArgs)
FASTNN_CUDA_KERNEL(void, matmul, MatmulArgs)

}  // namespace fastnn::cuda
