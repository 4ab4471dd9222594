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
  double* partial;  // one a chunk
  int width;
};
FASTNN_KERNEL(double, global_norm, GlobalNormArgs)

}  // namespace fastnn
