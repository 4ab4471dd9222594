#include "core/memory.h"

#include <pthread.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <bit>
#include <mutex>
#include <new>

namespace fastnn {
namespace {

// In front of every block, in a cache line of its own.
struct alignas(64) Header {
  Header* next;
  size_t capacity;
  int size_class;
};
static_assert(sizeof(Header) == 64);

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kMinBytes = 256;
constexpr int kStepsPerOctave = 8;  // a block is at most 1/8 larger than asked for
constexpr int kClasses = 8 * 56;
constexpr int kReach = 3;  // a free block of up to three classes more will do
constexpr int64_t kSpareBytes = int64_t{64} << 20;

std::mutex g_mutex;
Header* g_free[kClasses];
MemoryStats g_stats;

// Sizes grow in eighths of a power of two.
int class_of(size_t bytes, size_t* capacity) {
  bytes = std::max(bytes, kMinBytes);
  const int octave = std::bit_width(bytes - 1) - 1;  // 2^octave < bytes <= 2^(octave + 1)
  const size_t step = (size_t{1} << octave) / kStepsPerOctave;
  const size_t steps = (bytes - (size_t{1} << octave) + step - 1) / step;
  *capacity = (size_t{1} << octave) + steps * step;
  return (octave - 7) * kStepsPerOctave + static_cast<int>(steps) - 1;
}

void trim_locked() {
  for (Header*& list : g_free)
    while (Header* block = list) {
      list = block->next;
      g_stats.cached_bytes -= static_cast<int64_t>(block->capacity);
      free(block);
    }
}

void before_fork() { g_mutex.lock(); }
void after_fork_parent() { g_mutex.unlock(); }
void after_fork_child() { new (&g_mutex) std::mutex; }

}  // namespace

void* pool_allocate(size_t bytes) {
  if (bytes > (size_t{1} << 50)) throw std::bad_alloc();
  size_t capacity;
  const int size_class = class_of(bytes + sizeof(Header), &capacity);
  std::lock_guard<std::mutex> lock(g_mutex);
  static const int registered = pthread_atfork(before_fork, after_fork_parent, after_fork_child);
  static_cast<void>(registered);
  Header* block = nullptr;
  for (int c = size_class; c <= size_class + kReach && c < kClasses && !block; ++c) {
    block = g_free[c];
    if (block) g_free[c] = block->next;
  }
  if (block) {
    capacity = block->capacity;
    g_stats.cached_bytes -= static_cast<int64_t>(capacity);
  } else {
    const bool huge = capacity >= kHugePage;
    const size_t alignment = huge ? kHugePage : alignof(Header);
    void* memory = nullptr;
    if (posix_memalign(&memory, alignment, capacity) != 0) {
      trim_locked();
      if (posix_memalign(&memory, alignment, capacity) != 0) throw std::bad_alloc();
    }
#if defined(__linux__)
    if (huge) madvise(memory, capacity, MADV_HUGEPAGE);
#endif
    block = static_cast<Header*>(memory);
    block->capacity = capacity;
    block->size_class = size_class;
    ++g_stats.system_allocations;
  }
  ++g_stats.allocations;
  g_stats.in_use_bytes += static_cast<int64_t>(capacity);
  g_stats.peak_bytes = std::max(g_stats.peak_bytes, g_stats.in_use_bytes);
  return block + 1;
}

void pool_release(void* data) noexcept {
  Header* block = static_cast<Header*>(data) - 1;
  std::lock_guard<std::mutex> lock(g_mutex);
  block->next = g_free[block->size_class];
  g_free[block->size_class] = block;
  g_stats.in_use_bytes -= static_cast<int64_t>(block->capacity);
  g_stats.cached_bytes += static_cast<int64_t>(block->capacity);
  // Work of changing shapes leaves blocks that fit nothing any more. A repeating step needs the sum of
  // what each size needs at most, which stays below half as much again as its peak.
  if (g_stats.in_use_bytes + g_stats.cached_bytes > g_stats.peak_bytes + g_stats.peak_bytes / 2 + kSpareBytes)
    trim_locked();
}

void pool_trim() noexcept {
  std::lock_guard<std::mutex> lock(g_mutex);
  trim_locked();
}

MemoryStats memory_stats() {
  std::lock_guard<std::mutex> lock(g_mutex);
  return g_stats;
}

}  // namespace fastnn
