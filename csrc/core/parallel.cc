#include "core/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#include "core/cpu_count.h"

namespace fastnn {
namespace {

inline void cpu_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// One range of blocks for each worker; idle workers steal from the others' fronts. A claim is one
// compare-and-swap on end << 32 | next, so a late worker can never touch a finished region: its
// ticket is used up, and the region's fields are read only after a claim has succeeded.
struct alignas(64) Slot {
  std::atomic<uint64_t> ticket{0};
};

class Pool {
 public:
  explicit Pool(int size) : requested_(size), spin_(size <= available_cpus()) {
    // Workers leave signals to Python's main thread.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    try {
      for (int id = 1; id < size; ++id) {
        std::thread([this, id] { worker_loop(id); }).detach();
        ++size_;
      }
    } catch (const std::system_error&) {
      // No more threads to be had: the pool makes do with those it has.
    }
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
  }

  int requested() const { return requested_; }

  void run(int64_t blocks, BlockFn fn, void* context) {
    fn_ = fn;
    context_ = context;
    done_.store(0, std::memory_order_relaxed);
    for (int i = 0; i < size_; ++i) {
      const uint64_t begin = static_cast<uint64_t>(blocks) * i / size_;
      const uint64_t end = static_cast<uint64_t>(blocks) * (i + 1) / size_;
      slots_[i].ticket.store(end << 32 | begin, std::memory_order_release);
    }
    epoch_.fetch_add(1);
    wake_sleepers();
    work(0);
    for (int spins = 0; done_.load(std::memory_order_acquire) != blocks; ++spins) {
      if (spin_ && spins < 20000) {
        cpu_pause();
      } else {
        std::this_thread::yield();
      }
    }
  }

  // Ends the workers; the caller holds the region lock, so none is inside a block.
  void stop() {
    stopping_.store(true);
    epoch_.fetch_add(1);
    wake_sleepers();
    while (exited_.load() != size_ - 1) std::this_thread::yield();
  }

 private:
  void wake_sleepers() {
    if (sleepers_.load() == 0) return;
    {
      std::lock_guard<std::mutex> lock(mutex_);
    }
    wake_.notify_all();
  }

  void work(int id) {
    int64_t mine = 0;
    for (int i = 0; i < size_; ++i) {
      Slot& slot = slots_[(id + i) % size_];
      uint64_t ticket = slot.ticket.load(std::memory_order_acquire);
      while ((ticket & 0xffffffffu) < ticket >> 32) {
        if (!slot.ticket.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
        fn_(context_, static_cast<int64_t>(ticket & 0xffffffffu), id);
        ++mine;
        ticket = slot.ticket.load(std::memory_order_acquire);
      }
    }
    if (mine) done_.fetch_add(mine, std::memory_order_acq_rel);
  }

  void worker_loop(int id);

  // Long enough to bridge the Python between two kernels of a training step, short enough to leave
  // the core to others when the step is over.
  static constexpr std::chrono::microseconds kSpin{100};

  const int requested_;
  int size_ = 1;
  const bool spin_;
  BlockFn fn_ = nullptr;
  void* context_ = nullptr;
  Slot slots_[kMaxThreads];
  alignas(64) std::atomic<int64_t> done_{0};
  alignas(64) std::atomic<uint64_t> epoch_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<int> exited_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

thread_local bool t_in_region = false;

void Pool::worker_loop(int id) {
  t_in_region = true;
  uint64_t seen = 0;
  for (;;) {
    if (spin_) {
      const auto deadline = std::chrono::steady_clock::now() + kSpin;
      for (int i = 0; epoch_.load(std::memory_order_acquire) == seen; ++i) {
        cpu_pause();
        if (i % 64 == 63 && std::chrono::steady_clock::now() > deadline) break;
      }
    }
    if (epoch_.load() == seen) {
      std::unique_lock<std::mutex> lock(mutex_);
      sleepers_.fetch_add(1);
      wake_.wait(lock, [&] { return epoch_.load() != seen; });
      sleepers_.fetch_sub(1);
    }
    seen = epoch_.load(std::memory_order_acquire);
    if (stopping_.load()) break;
    work(id);
  }
  exited_.fetch_add(1);
}

std::mutex g_region;     // held while a parallel region runs
Pool* g_pool = nullptr;  // never destroyed: its workers may outlive static destructors
std::atomic<int> g_threads{0};
std::atomic<int64_t> g_regions{0};

// After fork the child has none of the workers: it forgets the pool and starts anew on first use.
void before_fork() { g_region.lock(); }
void after_fork_parent() { g_region.unlock(); }
void after_fork_child() {
  new (&g_region) std::mutex;
  g_pool = nullptr;
}

Pool* pool_of(int size) {  // called with g_region held
  if (g_pool && g_pool->requested() == size) return g_pool;
  static const int registered = pthread_atfork(before_fork, after_fork_parent, after_fork_child);
  static_cast<void>(registered);
  if (g_pool) {
    g_pool->stop();
    delete g_pool;
    g_pool = nullptr;
  }
  g_pool = new (std::nothrow) Pool(size);
  return g_pool;
}

}  // namespace

int num_threads() {
  const int n = g_threads.load(std::memory_order_relaxed);
  if (n > 0) return n;
  const int fallback = default_threads();
  g_threads.store(fallback, std::memory_order_relaxed);
  return fallback;
}

void set_num_threads(int n) { g_threads.store(n, std::memory_order_relaxed); }

int64_t parallel_regions() { return g_regions.load(std::memory_order_relaxed); }

void parallel_run(int64_t blocks, int width, BlockFn fn, void* context) noexcept {
  constexpr int64_t kMaxBlocks = 0xffffffff;
  if (width > 1 && blocks > 1 && blocks <= kMaxBlocks && !t_in_region && g_region.try_lock()) {
    std::lock_guard<std::mutex> lock(g_region, std::adopt_lock);
    if (Pool* pool = pool_of(width)) {
      g_regions.fetch_add(1, std::memory_order_relaxed);
      t_in_region = true;
      pool->run(blocks, fn, context);
      t_in_region = false;
      return;
    }
  }
  for (int64_t i = 0; i < blocks; ++i) fn(context, i, 0);
}

}  // namespace fastnn
