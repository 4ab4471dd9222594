#include "cuda/launch.h"
#include "ops/linear.h"

namespace fastnn::cuda {
namespace {

constexpr int64_t kEnough = 512;  // blocks that keep the memory of a large device busy
constexpr int kUnrolled = 4;

// Blocks of `lanes` columns and `length` rows.
struct Cut {
  int lanes;
  int64_t chunks, parts, length;
};

Cut cut(int64_t rows, int64_t cols) {
  int lanes = 32;
  while (lanes >= 2 * cols) lanes /= 2;
  const int64_t shortest = kUnrolled * kThreads / lanes * 2, chunks = ceil_div(cols, lanes);
  const int64_t most = ceil_div(rows, shortest), wanted = ceil_div(kEnough, chunks);
  const int64_t parts = most < wanted ? most : wanted;
  const int64_t length = parts > 1 ? ceil_div(rows, parts) : rows;
  return {lanes, chunks, parts > 1 ? ceil_div(rows, length) : 1, length};
}

// sums (parts, cols): each thread adds every (kThreads / lanes)-th row of its part, then a tree adds the threads.
template <class T>
__global__ void sums_kernel(Cut cut, int64_t rows, int64_t cols, const T* x, T* sums) {
  __shared__ T shared[kThreads];
  const int thread = static_cast<int>(threadIdx.x), apart = kThreads / cut.lanes;
  const int64_t col = blockIdx.x % cut.chunks * cut.lanes + thread % cut.lanes, part = blockIdx.x / cut.chunks;
  const int64_t end = (part + 1) * cut.length < rows ? (part + 1) * cut.length : rows;
  T sum[kUnrolled] = {};
  if (col < cols) {
    int64_t row = part * cut.length + thread / cut.lanes;
    for (; row + (kUnrolled - 1) * apart < end; row += kUnrolled * apart)
#pragma unroll
      for (int i = 0; i < kUnrolled; ++i) sum[i] += x[(row + i * apart) * cols + col];
    for (; row < end; row += apart) sum[0] += x[row * cols + col];
  }
  shared[thread] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  for (int half = apart / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half * cut.lanes) shared[thread] += shared[thread + half * cut.lanes];
  }
  if (thread < cut.lanes && col < cols) sums[part * cols + col] = shared[thread];
}

template <class T>
int64_t workspace(const ColumnSumsArgs<T>& a) {
  if (a.cols == 0) return 0;
  const Cut first = cut(a.rows, a.cols);
  return first.parts > 1 ? first.parts * a.cols * static_cast<int64_t>(sizeof(T)) : 0;
}

template <class T>
void sum(const ColumnSumsArgs<T>& a) {
  if (a.cols == 0) return;
  const Cut first = cut(a.rows, a.cols);
  T* partials = first.parts > 1 ? static_cast<T*>(a.workspace) : a.sums;
  FASTNN_LAUNCH(sums_kernel<T>, first.chunks * first.parts, kThreads, 0, first, a.rows, a.cols, a.x, partials);
  if (first.parts == 1) return;
  const Cut second{first.lanes, first.chunks, 1, first.parts};
  FASTNN_LAUNCH(sums_kernel<T>, first.chunks, kThreads, 0, second, first.parts, a.cols, partials, a.sums);
}

}  // namespace

int64_t column_sums_workspace(const ColumnSumsArgs<float>& a) { return workspace(a); }
int64_t column_sums_workspace(const ColumnSumsArgs<double>& a) { return workspace(a); }
void column_sums(const ColumnSumsArgs<float>& a) { sum(a); }
void column_sums(const ColumnSumsArgs<double>& a) { sum(a); }
FASTNN_CUDA_KERNEL(int64_t, column_sums_workspace, ColumnSumsArgs)
FASTNN_CUDA_KERNEL(void, column_sums, ColumnSumsArgs)

}  // namespace fastnn::cuda
