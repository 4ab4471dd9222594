// Fixed-shape work over a pool of threads. A kernel cuts its work into blocks whose shape depends on
// the problem alone; the pool decides only who runs which block, so results never depend on it.
#pragma once

#include <cstdint>

namespace fastnn {

// Threads that a parallel region may use: set_num_threads, else FASTNN_NUM_THREADS, else
// OMP_NUM_THREADS, else the affinity mask limited by the cgroup quota.
int num_threads();
void set_num_threads(int n);  // n >= 1; 0 returns to the default

inline constexpr int kMaxThreads = 256;

// Regions so far that ran on more than one thread: tests use it to prove that one did.
int64_t parallel_regions();

using BlockFn = void (*)(void* context, int64_t block, int worker);

// Calls fn(context, block, worker) once for every block in [0, blocks), worker < width, on at most
// `width` threads; returns when all have run. Serial when nested, when another Python thread holds
// the pool, and when width < 2.
void parallel_run(int64_t blocks, int width, BlockFn fn, void* context) noexcept;

// Under this much work the second thread costs more than it brings: waking a spinning worker takes
// about 1 us, in which one core moves some 20 KB.
inline constexpr int64_t kSerialBytes = 64 << 10;

// body(block, worker) for every block; `bytes` is the traffic of the whole region (or its arithmetic
// expressed as traffic), by which small regions stay serial.
template <class Body>
static inline void parallel_blocks(int64_t blocks, int width, int64_t bytes, const Body& body) {
  if (blocks <= 1 || width <= 1 || bytes <= kSerialBytes) {
    for (int64_t i = 0; i < blocks; ++i) body(i, 0);
    return;
  }
  parallel_run(
      blocks, width,
      [](void* context, int64_t block, int worker) { (*static_cast<const Body*>(context))(block, worker); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

// For a second pass over what a first one walked in order: block i of a permutation that takes each worker back
// through its own share, from the end, where what it touched last is still in its core's caches.
static inline int64_t backwards(int64_t i, int64_t blocks, int width) {
  const int64_t share = ((i + 1) * width - 1) / blocks;
  return blocks * share / width + blocks * (share + 1) / width - 1 - i;
}

}  // namespace fastnn
