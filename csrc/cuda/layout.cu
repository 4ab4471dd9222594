#include "cuda/launch.h"
#include "ops/layout.h"

namespace fastnn::cuda {
namespace {

// Axes from the slowest to the fastest of dst; src may be unaligned.
template <class T>
__global__ void copy_kernel(int64_t n, StridedCopyArgs<T> a) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    int64_t rest = i;
    const char* from = a.src;
    for (int axis = a.rank - 1; axis >= 0; --axis) {
      from += rest % a.shape[axis] * a.strides[axis];
      rest /= a.shape[axis];
    }
    T value;
    if (reinterpret_cast<uintptr_t>(from) % sizeof(T) == 0) {
      value = *reinterpret_cast<const T*>(from);
    } else {
      for (int byte = 0; byte < static_cast<int>(sizeof(T)); ++byte) reinterpret_cast<char*>(&value)[byte] = from[byte];
    }
    a.dst[i] = value;
  }
}

template <class T>
void copy(const StridedCopyArgs<T>& a) {
  int64_t n = 1;
  for (int axis = 0; axis < a.rank; ++axis) n *= a.shape[axis];
  if (n == 0) return;
  const int64_t blocks = ceil_div(n, kThreads), most = 4 * resident_blocks();
  FASTNN_LAUNCH(copy_kernel<T>, blocks < most ? blocks : most, kThreads, 0, n, a);
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(void, strided_copy, StridedCopyArgs, copy)

}  // namespace fastnn::cuda
