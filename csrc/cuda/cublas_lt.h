// The part of cuBLASLt's C interface (12 and 13) that products call, declared here so that neither building nor
// importing needs it; the library is opened when the first product is asked for.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace fastnn::cuda::lt {

using Status = int;  // 0 is success
using Object = void*;

// Values of its enumerations.
inline constexpr int kFloat = 0, kDouble = 1;                  // data types
inline constexpr int kComputeFloat = 68, kComputeDouble = 70;  // 68 never rounds inputs to TF32
inline constexpr int kTransposeA = 3, kTransposeB = 4, kEpilogue = 7, kBiasPointer = 8;  // of an operation
inline constexpr int kBatchCount = 5, kBatchStride = 6;                                  // of a layout
inline constexpr int kMostWorkspace = 1, kReductionSchemes = 3, kAlignmentA = 5;  // of a preference; B, C, D: 6-8
inline constexpr uint32_t kNoEpilogue = 1, kBias = 4;
inline constexpr uint32_t kReduceInWorkspace = 2;  // parts of k in the compute type, added by a separate kernel

struct Algorithm {
  uint64_t data[8];
};
struct Heuristic {
  Algorithm algorithm;
  size_t workspace;
  Status status;
  float waves;
  int reserved[4];
};

// Its functions.
struct Library {
  Status (*create)(Object* handle);
  Status (*create_operation)(Object* operation, int compute_type, int scale_type);
  Status (*destroy_operation)(Object operation);
  Status (*set_operation)(Object operation, int attribute, const void* value, size_t bytes);
  Status (*create_layout)(Object* layout, int type, uint64_t rows, uint64_t cols, int64_t leading);
  Status (*destroy_layout)(Object layout);
  Status (*set_layout)(Object layout, int attribute, const void* value, size_t bytes);
  Status (*create_preference)(Object* preference);
  Status (*destroy_preference)(Object preference);
  Status (*set_preference)(Object preference, int attribute, const void* value, size_t bytes);
  Status (*find)(Object handle, Object operation, Object a, Object b, Object c, Object d, Object preference, int wanted,
                 Heuristic* found, int* count);
  Status (*multiply)(Object handle, Object operation, const void* alpha, const void* a, Object layout_a, const void* b,
                     Object layout_b, const void* beta, const void* c, Object layout_c, void* d, Object layout_d,
                     const Algorithm* algorithm, void* workspace, size_t bytes, cudaStream_t stream);
};

// The library with a handle for the current device, or null if there is none.
struct Session {
  const Library* library = nullptr;
  Object handle = nullptr;
  uint64_t generation = 0;  // another one: another library
};
Session session();

}  // namespace fastnn::cuda::lt
