// Lists of arrays in few launches: what a kernel must know of some tens of arrays is passed by value, and a block
// finds its chunk by the number of it.
#pragma once

#include "core/list_chunk.h"
#include "cuda/elementwise.cuh"

namespace fastnn::cuda {

inline constexpr int kPacksAtOnce = 2;  // loads of a thread, per role, that are in flight together
// Elements of one block.
template <class T>
inline constexpr int64_t kChunk = int64_t{kThreads} * kPacksAtOnce * kPack<T>;

// Arrays of one launch, in kRoles roles each. Parameters of a kernel have 4 KB, an update's own need 128 bytes.
template <class T, int kRoles>
struct ArrayList {
  static constexpr int kMost = 3900 / (8 * kRoles + 16);
  int count = 0;
  T* at[kRoles][kMost];        // null where a role is not used
  int64_t size[kMost];         // elements
  int64_t first_chunk[kMost];  // chunks of the arrays in front
  int64_t chunks = 0;

  void add(int64_t elements) {
    size[count] = elements;
    first_chunk[count++] = chunks;
    chunks += ceil_div(elements, kChunk<T>);
  }
  // The array whose chunk this is.
  __device__ int array_of(int64_t chunk) const {
    int low = 0, high = count - 1;
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (first_chunk[middle] <= chunk)
        low = middle;
      else
        high = middle - 1;
    }
    return low;
  }
};

// Cuts a list, given as the host's chunks of it, into launches: role(r, index) is where an array lies,
// launch(list) takes up to kMost of them.
template <class T, int kRoles, class Role, class Launch>
void for_lists(const ListChunk* chunks, int64_t chunk_count, const Role& role, const Launch& launch) {
  ArrayList<T, kRoles> list;
  for (int64_t i = 0; i < chunk_count;) {
    const int64_t index = chunks[i].index;
    int64_t size = 0;
    for (; i < chunk_count && chunks[i].index == index; ++i) size += chunks[i].count;
    for (int r = 0; r < kRoles; ++r) list.at[r][list.count] = role(r, index);
    list.add(size);
    if (list.count == ArrayList<T, kRoles>::kMost || i == chunk_count) {
      launch(list);
      list.count = 0, list.chunks = 0;
    }
  }
}

// Up to n elements as a pack, the rest 0; at once if the address allows it.
template <class T>
__device__ Pack<T> load_pack(const T* p, int64_t n) {
  if (n >= kPack<T> && reinterpret_cast<uintptr_t>(p) % sizeof(Pack<T>) == 0)
    return *reinterpret_cast<const Pack<T>*>(p);
  Pack<T> v{};
#pragma unroll
  for (int k = 0; k < kPack<T>; ++k)
    if (k < n) v.at[k] = p[k];
  return v;
}
template <class T>
__device__ void store_pack(T* p, const Pack<T>& v, int64_t n) {
  if (n >= kPack<T> && reinterpret_cast<uintptr_t>(p) % sizeof(Pack<T>) == 0) {
    *reinterpret_cast<Pack<T>*>(p) = v;
    return;
  }
#pragma unroll
  for (int k = 0; k < kPack<T>; ++k)
    if (k < n) p[k] = v.at[k];
}

}  // namespace fastnn::cuda
