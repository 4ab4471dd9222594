// Euclidean norm of all elements of a list of arrays.
#pragma once

#include "core/isa.h"
#include "core/list_chunk.h"

namespace fastnn {

template <class T>
struct GlobalNormArgs {
  const T* const* arrays;
  const ListChunk* chunks;
  int64_t chunk_count;
  int64_t elements;
  void* workspace;  // global_norm_workspace bytes
  int width;
  T* norm;  // on a device: where the norm goes, and 0 is returned
};
FASTNN_KERNEL(int64_t, global_norm_workspace, GlobalNormArgs)
FASTNN_KERNEL(double, global_norm, GlobalNormArgs)

}  // namespace fastnn
