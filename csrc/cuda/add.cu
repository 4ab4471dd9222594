#include "cuda/elementwise.cuh"
#include "ops/add.h"

namespace fastnn::cuda {
namespace {

template <class T>
struct Sum {
  __device__ T operator()(T x, T other) const { return x + other; }
};

template <class T>
void sum(const AddArgs<T>& a) {
  map(a.n, a.y, Sum<Compute<T>>{}, a.x, a.other);
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(void, add, AddArgs, sum)

}  // namespace fastnn::cuda
