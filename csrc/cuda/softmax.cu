// A row is a team of threads: along memory neighbours, else a team beside others with neighbouring columns.
// Either way term k goes to partial sum k % partials(length), so that the bits do not depend on the layout.
#include "cuda/launch.h"
#include "formulas/softmax.h"
#include "ops/softmax.h"

namespace fastnn::cuda {
namespace {

constexpr int kWarp = 32, kMostThreads = 1024;

// At least four terms a partial sum, whose loads are in flight together; long rows get a block of their own.
int partials(int64_t length) {
  if (length > 4096) return 1024;
  if (length > 512) return 256;
  int count = 1;
  while (count < kWarp && 4 * count < length) count *= 2;
  return count;
}

struct Team {
  int partials, lanes;  // threads of a row
  int side;             // rows that lie side by side in memory: 1 along it
  int rows;             // of a block

  Team(int64_t length, bool along_memory)
      : partials(cuda::partials(length)),
        lanes(along_memory || partials < kWarp ? partials : kWarp),
        side(along_memory ? 1 : kThreads / lanes),
        rows(lanes < kThreads ? kThreads / lanes : 1) {}
  int threads() const { return lanes * rows; }

  __device__ int lane() const { return static_cast<int>(threadIdx.x) / side % lanes; }
  __device__ int row() const { return static_cast<int>(threadIdx.x) / (side == 1 ? lanes : 1) % rows; }
};

template <class T>
struct Larger {
  __device__ T operator()(T a, T b) const { return larger<T>(a, b); }
};
template <class T>
struct Plus {
  __device__ T operator()(T a, T b) const { return a + b; }
};

// The value of the thread whose number differs in one bit.
template <class T>
__device__ T partner(T v, int bit, T* shared) {
  if (bit < kWarp) return __shfl_xor_sync(~0u, v, bit);
  __syncthreads();
  shared[threadIdx.x] = v;
  __syncthreads();
  return shared[static_cast<int>(threadIdx.x) ^ bit];
}

// f over a team's values, at most a warp's pairwise, then warp by warp; every thread of the block calls it.
template <class T, class F>
__device__ T over_team(T v, const Team& team, T* shared, const F& f) {
  const int lanes = team.lanes < kWarp ? team.lanes : kWarp;
  for (int bit = lanes / 2; bit > 0; bit /= 2) v = f(v, partner(v, bit * team.side, shared));
  if (team.lanes <= kWarp) return v;
  __syncthreads();
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = v;
  __syncthreads();
  T all = shared[0];
  for (int warp = 1; warp < team.lanes / kWarp; ++warp) all = f(all, shared[warp]);
  return all;
}
// + 0: which zero of two is the larger depends on their order.
template <class T>
__device__ T top_of(T v, const Team& team, T* shared) {
  return over_team(v, team, shared, Larger<T>{}) + T{0};
}

template <class T>
__device__ T factor(bool log_, T sum) {
  return log_ ? factor_of<true, T>(sum) : factor_of<false, T>(sum);
}
template <class T>
__device__ T term(bool log_, T dy, T y) {
  return log_ ? gradient_term<true, T>(dy, y) : gradient_term<false, T>(dy, y);
}
template <class T>
__device__ T slope(bool log_, T dy, T y, T sum) {
  return log_ ? gradient<true, T>(dy, y, sum) : gradient<false, T>(dy, y, sum);
}

// body(element 0 of this thread's row, the row's length or 0 beyond the last row) for all rows of the array.
template <class S, class Body>
__device__ void each_row(const SoftmaxArgs<S>& a, const Team& team, const Body& body) {
  const int64_t rows = a.outer * a.inner, step = static_cast<int64_t>(gridDim.x) * team.rows;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * team.rows; first < rows; first += step) {
    const int64_t row = first + team.row(), image = row / a.inner;
    body(image * a.length * a.inner + (row - image * a.inner), row < rows ? a.length : 0);
  }
}

// Rows that a team holds in registers: read once.
template <int kItems, class S, class T = Compute<S>>
__global__ void __launch_bounds__(kThreads) held_kernel(SoftmaxArgs<S> a, Team team) {
  __shared__ T shared[kThreads];
  const int lane = team.lane();
  each_row(a, team, [&](int64_t at, int64_t length) {
    T v[kItems], top = kLowest<T>, sum = 0;
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      const int64_t k = lane + j * team.lanes;
      v[j] = k < length ? static_cast<T>(a.in[at + k * a.inner]) : kLowest<T>;
    }
#pragma unroll
    for (int j = 0; j < kItems; ++j) top = larger<T>(v[j], top);
    top = top_of(top, team, shared);
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      const T p = exp<T>(v[j] - top);
      sum += lane + j * team.lanes < length ? p : T{0};
      v[j] = a.log ? v[j] - top : p;
    }
    const T by = factor(a.log, over_team(sum, team, shared, Plus<T>{}));
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      const int64_t k = lane + j * team.lanes;
      if (k < length) a.out[at + k * a.inner] = static_cast<S>(a.log ? v[j] - by : v[j] * by);
    }
  });
}

template <int kItems, class S, class T = Compute<S>>
__global__ void __launch_bounds__(kThreads) held_gradient_kernel(SoftmaxArgs<S> a, Team team) {
  __shared__ T shared[kThreads];
  const int lane = team.lane();
  each_row(a, team, [&](int64_t at, int64_t length) {
    T dy[kItems], y[kItems], sum = 0;
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      const int64_t k = lane + j * team.lanes, i = at + k * a.inner;
      dy[j] = k < length ? static_cast<T>(a.dy[i]) : T{0};
      y[j] = k < length ? static_cast<T>(a.in[i]) : T{0};
    }
#pragma unroll
    for (int j = 0; j < kItems; ++j) sum += term(a.log, dy[j], y[j]);
    sum = over_team(sum, team, shared, Plus<T>{});
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      const int64_t k = lane + j * team.lanes;
      if (k < length) a.out[at + k * a.inner] = static_cast<S>(slope(a.log, dy[j], y[j], sum));
    }
  });
}

// The sum of term(k) over a row, each of the team's lanes making one partial sum after the other.
template <class T, class Term>
__device__ T long_sum(int64_t length, const Team& team, T* shared, const Term& term_of) {
  T all = 0;
  for (int first = 0; first < team.partials; first += team.lanes) {
    T sum = 0;
#pragma unroll 4
    for (int64_t k = first + team.lane(); k < length; k += team.partials) sum += term_of(k);
    all += over_team(sum, team, shared, Plus<T>{});
  }
  return all;
}

// Longer rows: read again, from the L2 cache, for the sum and for the result.
template <class S, class T = Compute<S>>
__global__ void __launch_bounds__(kMostThreads) long_kernel(SoftmaxArgs<S> a, Team team) {
  __shared__ T shared[kThreads];
  each_row(a, team, [&](int64_t at, int64_t length) {
    const S* __restrict__ x = a.in + at;
    S* __restrict__ y = a.out + at;
    T top = kLowest<T>;
#pragma unroll 4
    for (int64_t k = team.lane(); k < length; k += team.lanes) top = larger<T>(x[k * a.inner], top);
    top = top_of(top, team, shared);
    const T sum = long_sum<T>(length, team, shared, [&](int64_t k) { return exp<T>(x[k * a.inner] - top); });
    const T by = factor(a.log, sum);
#pragma unroll 4
    for (int64_t k = team.lane(); k < length; k += team.lanes) {
      const T shifted = x[k * a.inner] - top;
      y[k * a.inner] = static_cast<S>(a.log ? shifted - by : exp<T>(shifted) * by);
    }
  });
}

template <class S, class T = Compute<S>>
__global__ void __launch_bounds__(kMostThreads) long_gradient_kernel(SoftmaxArgs<S> a, Team team) {
  __shared__ T shared[kThreads];
  each_row(a, team, [&](int64_t at, int64_t length) {
    const S* __restrict__ dy = a.dy + at, * __restrict__ y = a.in + at;
    S* __restrict__ dx = a.out + at;
    const T sum =
        long_sum<T>(length, team, shared, [&](int64_t k) { return term<T>(a.log, dy[k * a.inner], y[k * a.inner]); });
#pragma unroll 4
    for (int64_t k = team.lane(); k < length; k += team.lanes)
      dx[k * a.inner] = static_cast<S>(slope<T>(a.log, dy[k * a.inner], y[k * a.inner], sum));
  });
}

template <int kItems, class T>
void run_held(const SoftmaxArgs<T>& a, const Team& team, int64_t blocks) {
  if (a.dy)
    FASTNN_LAUNCH((held_gradient_kernel<kItems, T>), blocks, team.threads(), 0, a, team);
  else
    FASTNN_LAUNCH((held_kernel<kItems, T>), blocks, team.threads(), 0, a, team);
}

template <class T>
void run(const SoftmaxArgs<T>& a) {
  const Team team(a.length, a.inner == 1);
  const int64_t all = ceil_div(a.outer * a.inner, team.rows), most = 4 * resident_blocks();
  const int64_t blocks = all < most ? all : most, items = ceil_div(a.length, team.lanes);
  if (team.lanes <= kThreads) {
    if (items <= 4) return run_held<4>(a, team, blocks);
    if (items <= 8) return run_held<8>(a, team, blocks);
    if (items <= 16) return run_held<16>(a, team, blocks);
  }
  if (a.dy)
    FASTNN_LAUNCH(long_gradient_kernel<T>, blocks, team.threads(), 0, a, team);
  else
    FASTNN_LAUNCH(long_kernel<T>, blocks, team.threads(), 0, a, team);
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(int64_t, softmax_workspace, SoftmaxArgs, no_workspace)
FASTNN_CUDA_STORAGE_KERNEL(void, softmax, SoftmaxArgs, run)

}  // namespace fastnn::cuda
