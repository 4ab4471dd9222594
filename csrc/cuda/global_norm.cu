#include "core/vec.h"
#include "cuda/array_list.cuh"
#include "cuda/sums.cuh"
#include "ops/global_norm.h"

namespace fastnn::cuda {
namespace {

// A thread's few squares in T, sums of many in double: beyond 2^24 values float would lose what is added. Which thread
// takes which element does not depend on the addresses.
template <class T>
__global__ void squares_kernel(ArrayList<const T, 1> list, double* partial) {
  const int64_t chunk = blockIdx.x;
  const int array = list.array_of(chunk);
  const int64_t begin = (chunk - list.first_chunk[array]) * kChunk<T>, size = list.size[array];
  T sum = 0;
#pragma unroll
  for (int u = 0; u < kPacksAtOnce; ++u) {
    const int64_t i = begin + (u * kThreads + static_cast<int>(threadIdx.x)) * kPack<T>;
    if (i >= size) break;
    const Pack<T> v = load_pack(list.at[0][array] + i, size - i);
#pragma unroll
    for (int k = 0; k < kPack<T>; ++k) sum = fma(v.at[k], v.at[k], sum);
  }
  const double total = block_sum(static_cast<double>(sum));
  if (threadIdx.x == 0) partial[chunk] = total;
}

template <class T>
__global__ void norm_kernel(const double* partial, int64_t count, T* norm) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += partial[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *norm = static_cast<T>(sqrt(sum));
}

template <class T>
int64_t workspace(const GlobalNormArgs<T>& a) {
  int64_t count = 0;
  for (int64_t i = 0; i < a.chunk_count; ++i) count += ceil_div(a.chunks[i].count, kChunk<T>);
  return count * static_cast<int64_t>(sizeof(double));
}

template <class T>
double norm(const GlobalNormArgs<T>& a) {
  double *const all = static_cast<double*>(a.workspace), *partial = all;
  for_lists<const T, 1>(
      a.chunks, a.chunk_count, [&](int, int64_t index) { return a.arrays[index]; },
      [&](const ArrayList<const T, 1>& list) {
        FASTNN_LAUNCH(squares_kernel<T>, list.chunks, kThreads, 0, list, partial);
        partial += list.chunks;
      });
  FASTNN_LAUNCH(norm_kernel<T>, 1, kThreads, 0, all, partial - all, a.norm);
  return 0;
}

}  // namespace

int64_t global_norm_workspace(const GlobalNormArgs<float>& a) { return workspace(a); }
int64_t global_norm_workspace(const GlobalNormArgs<double>& a) { return workspace(a); }
double global_norm(const GlobalNormArgs<float>& a) { return norm(a); }
double global_norm(const GlobalNormArgs<double>& a) { return norm(a); }
FASTNN_CUDA_KERNEL(int64_t, global_norm_workspace, GlobalNormArgs)
FASTNN_CUDA_KERNEL(double, global_norm, GlobalNormArgs)

}  // namespace fastnn::cuda
