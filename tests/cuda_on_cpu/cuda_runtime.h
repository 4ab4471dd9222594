// Enough of CUDA's language and runtime to run the kernels of csrc/cuda on the CPU, so that their indices,
// reductions and barriers are tested where no GPU is. The threads of a block are contexts that take turns;
// a barrier gives the turn away until all have come. Which warps get a turn in a round, and in which order, is
// drawn at random (the same in every run), so that a missing barrier shows.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __constant__ static
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#pragma GCC diagnostic ignored "-Wunknown-pragmas"

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
inline dim3 threadIdx{}, blockIdx{}, blockDim{}, gridDim{};
inline constexpr int warpSize = 32;

using cudaStream_t = struct EmulatedStream*;
enum cudaError_t { cudaSuccess, cudaErrorInvalidValue };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount, cudaDevAttrMaxThreadsPerMultiProcessor };
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidValue; }
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  return *value = attribute == cudaDevAttrMultiProcessorCount ? 3 : 512, cudaSuccess;
}
inline const char* cudaGetErrorString(cudaError_t) { return "emulated"; }

namespace cuda_on_cpu {
// What a capture notes in place of running it. A launch is noted with copies of its arguments, as CUDA does it.
using Graph = std::vector<std::function<void()>>;
inline Graph* capturing = nullptr;
inline cudaError_t submit(const std::function<void()>& work) {
  if (capturing)
    capturing->push_back(work);
  else
    work();
  return cudaSuccess;
}
}  // namespace cuda_on_cpu

enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyDefault };
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
  if (cuda_on_cpu::capturing && kind != cudaMemcpyDeviceToDevice) return cudaErrorInvalidValue;
  return cuda_on_cpu::submit([=] { std::memcpy(to, from, bytes); });
}
inline cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
  return cuda_on_cpu::submit([=] { std::memset(to, value, bytes); });
}

namespace cuda_on_cpu {

// What waits for `expected` threads; those that have ended no longer count.
struct Barrier {
  unsigned arrived = 0, generation = 0;
};

struct Block {
  static constexpr size_t kStack = 64 << 10;
  std::vector<ucontext_t> contexts;
  std::vector<char> ended;
  std::vector<unsigned> alive_in_warp;
  std::unique_ptr<char[]> stacks;
  size_t capacity = 0;
  std::vector<Barrier> warps;
  std::vector<uint64_t> slots;  // what the threads of a warp exchange
  std::vector<uint64_t> shared;
  Barrier all;
  unsigned alive = 0, current = 0;
  bool progress = false;
  ucontext_t scheduler;
  uint32_t state = 1;
  uint32_t random() {  // Marsaglia's xorshift
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    return state;
  }
  const std::function<void()>* body = nullptr;
};
inline Block block;
inline std::mutex one_kernel_at_a_time;

inline void wait(Barrier& barrier, const unsigned& expected) {
  const unsigned generation = barrier.generation;
  ++barrier.arrived;
  block.progress = true;
  while (barrier.generation == generation) {
    if (barrier.arrived >= expected) {
      barrier.arrived = 0;
      ++barrier.generation;
      block.progress = true;
      break;
    }
    swapcontext(&block.contexts[block.current], &block.scheduler);
  }
}

inline void run_thread() {
  (*block.body)();
  block.ended[block.current] = 1;
  --block.alive;
  --block.alive_in_warp[block.current / warpSize];
  block.progress = true;
}

inline void run_block(unsigned threads) {
  block.contexts.resize(threads);
  block.ended.assign(threads, 0);
  block.warps.assign((threads + warpSize - 1) / warpSize, {});
  block.alive_in_warp.assign(block.warps.size(), 0);
  block.slots.resize(threads);
  if (block.capacity < threads) {
    block.stacks = std::make_unique_for_overwrite<char[]>(threads * Block::kStack);
    block.capacity = threads;
  }
  block.all = {};
  block.alive = threads;
  for (unsigned t = 0; t < threads; ++t) {
    ++block.alive_in_warp[t / warpSize];
    ucontext_t& context = block.contexts[t];
    getcontext(&context);
    context.uc_stack.ss_sp = &block.stacks[t * Block::kStack];
    context.uc_stack.ss_size = Block::kStack;
    context.uc_link = &block.scheduler;
    makecontext(&context, run_thread, 0);
  }
  unsigned idle = 0;
  for (unsigned round = 0; block.alive > 0; ++round) {
    block.progress = false;
    const uint32_t draw = block.random();
    for (unsigned i = 0; i < threads; ++i) {
      const unsigned turned = (i + draw) % threads, t = round % 2 ? threads - 1 - turned : turned;
      if (block.ended[t]) continue;
      // Every fourth warp waits, in small blocks none.
      if (threads > warpSize && (draw >> 16) % 4 == t / warpSize % 4) continue;
      block.current = t;
      threadIdx.x = t;
      swapcontext(&block.scheduler, &block.contexts[t]);
    }
    idle = block.progress ? 0 : idle + 1;
    if (idle == 64) {  // more rounds than any warp waits by chance
      std::fprintf(stderr, "cuda_on_cpu: a barrier that some threads never reach\n");
      std::abort();
    }
  }
}

template <class T>
T exchange(T value, unsigned from) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  const unsigned warp = threadIdx.x / warpSize;
  std::memcpy(&block.slots[threadIdx.x], &value, sizeof(T));
  wait(block.warps[warp], block.alive_in_warp[warp]);
  T got = value;
  const unsigned source = warp * warpSize + from;
  if (from < warpSize && source < blockDim.x) std::memcpy(&got, &block.slots[source], sizeof(T));
  wait(block.warps[warp], block.alive_in_warp[warp]);
  return got;
}

}  // namespace cuda_on_cpu

inline void emulate(unsigned blocks, unsigned threads, size_t shared_bytes, const std::function<void()>& body) {
  if (cuda_on_cpu::capturing) {
    cuda_on_cpu::Graph& graph = *cuda_on_cpu::capturing;
    graph.push_back([=] { emulate(blocks, threads, shared_bytes, body); });
    return;
  }
  const std::lock_guard<std::mutex> lock(cuda_on_cpu::one_kernel_at_a_time);
  if (blocks == 0 || threads == 0 || threads > 1024 || shared_bytes > (227 << 10)) {
    std::fprintf(stderr, "cuda_on_cpu: a launch of %u blocks of %u threads\n", blocks, threads);
    std::abort();
  }
  cuda_on_cpu::block.body = &body;
  cuda_on_cpu::block.shared.resize((shared_bytes + 7) / 8 + 2);
  gridDim.x = blocks;
  blockDim.x = threads;
  for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) cuda_on_cpu::run_block(threads);
}

inline void* emulated_shared() {
  const auto address = reinterpret_cast<uintptr_t>(cuda_on_cpu::block.shared.data());
  return reinterpret_cast<void*>((address + 15) / 16 * 16);
}

inline void __syncthreads() { cuda_on_cpu::wait(cuda_on_cpu::block.all, cuda_on_cpu::block.alive); }
inline void __syncwarp(unsigned = ~0u) {
  const unsigned warp = threadIdx.x / warpSize;
  cuda_on_cpu::wait(cuda_on_cpu::block.warps[warp], cuda_on_cpu::block.alive_in_warp[warp]);
}
template <class T>
T __shfl_sync(unsigned, T value, int lane) {
  return cuda_on_cpu::exchange(value, static_cast<unsigned>(lane) % warpSize);
}
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  return cuda_on_cpu::exchange(value, (threadIdx.x % warpSize) ^ static_cast<unsigned>(mask));
}
template <class T>
T __shfl_down_sync(unsigned, T value, unsigned delta) {
  return cuda_on_cpu::exchange(value, threadIdx.x % warpSize + delta);
}
template <class T>
T __shfl_up_sync(unsigned, T value, unsigned delta) {
  const unsigned lane = threadIdx.x % warpSize;
  return cuda_on_cpu::exchange(value, lane >= delta ? lane - delta : lane);
}
