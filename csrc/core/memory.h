// The caching memory pool behind every output and scratch buffer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastnn {

struct MemoryStats {
  int64_t in_use_bytes;        // handed out now
  int64_t peak_bytes;          // most that was ever handed out at once
  int64_t cached_bytes;        // kept for the next request
  int64_t allocations;         // requests so far
  int64_t system_allocations;  // those that went to the operating system
};

void* pool_allocate(size_t bytes);  // 64-byte aligned; throws std::bad_alloc
void pool_release(void* data) noexcept;
void pool_trim() noexcept;  // gives cached memory back to the operating system
MemoryStats memory_stats();

// Scratch memory for one call.
class Buffer {
 public:
  explicit Buffer(int64_t bytes) : data_(bytes > 0 ? pool_allocate(static_cast<size_t>(bytes)) : nullptr) {}
  ~Buffer() {
    if (data_) pool_release(data_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  void* get() const { return data_; }

 private:
  void* data_;
};

}  // namespace fastnn
