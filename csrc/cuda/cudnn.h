// The part of cuDNN 9's graph interface that convolutions call, declared here so that neither building nor importing
// needs it; the library is opened when the first convolution is asked for.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace fastnn::cuda::dnn {

using Status = int;  // 0 is success
using Object = void*;

// Values of its enumerations, grouped as there.
enum Kind : int {
  kConvolution = 1,
  kEngine = 2,
  kEngineConfig = 3,
  kHeuristic = 4,
  kPlan = 5,
  kForward = 10,
  kWeightGradient = 11,
  kInputGradient = 12,
  kGraph = 15,
  kVariantPack = 16,
  kTensor = 17,
};
enum Type : int {
  kHandle = 0,
  kDataType = 1,
  kInt64 = 3,
  kFloat32 = 4,
  kFloat64 = 5,
  kPointer = 6,
  kConvolutionMode = 7,
  kHeuristicMode = 8,
  kNote = 11,
  kDescriptor = 15,
};
enum Attribute : int {
  kComputeType = 100,
  kMode = 101,
  kDilations = 102,
  kStrides = 103,
  kPaddingsAfter = 104,
  kPaddingsBefore = 105,
  kSpatialAxes = 106,
  kHeuristicWay = 200,
  kHeuristicGraph = 201,
  kHeuristicResults = 202,
  kConfigEngine = 300,
  kPlanHandle = 400,
  kPlanConfig = 401,
  kPlanWorkspace = 402,
  kGraphHandle = 800,
  kGraphOperations = 801,
  kTensorAlignment = 900,
  kTensorType = 901,
  kTensorShape = 902,
  kTensorStrides = 903,
  kTensorId = 906,
  kPackIds = 1000,
  kPackPointers = 1001,
  kPackWorkspace = 1003,
  kEngineNotes = 1303,
};
// Of an operation: how the result and what it replaces are scaled, the convolution, and its three arrays.
struct OperationAttributes {
  int kind, alpha, beta, convolution, weight, x, y;
};
inline constexpr OperationAttributes kOperations[] = {
    {kForward, 700, 701, 702, 703, 704, 705},
    {kInputGradient, 706, 707, 708, 709, 710, 711},
    {kWeightGradient, 712, 713, 714, 715, 716, 717},
};
inline constexpr int kFloat = 0, kDouble = 1;  // data types
inline constexpr int kCrossCorrelation = 1;
inline constexpr int kFallback = 2, kBest = 3;  // ways to rank engines; `kBest` is cuDNN's mode A
// What an engine does to numbers. Tensor cores take float32 as TF32, with 10 bits of its 23.
inline constexpr int kTensorCore = 0, kRoundsInputs = 1, kRoundsSums = 2, kFft = 3, kNondeterministic = 4,
                     kFirstWinograd = 5, kLastWinograd = 8;

// Its functions.
struct Library {
  size_t (*version)();
  void (*last_error)(char* text, size_t bytes);
  Status (*create)(Object* handle);
  Status (*set_stream)(Object handle, cudaStream_t stream);
  Status (*create_descriptor)(int kind, Object* descriptor);
  Status (*destroy_descriptor)(Object descriptor);
  Status (*finalize)(Object descriptor);
  Status (*set)(Object descriptor, int attribute, int type, int64_t count, const void* values);
  Status (*get)(Object descriptor, int attribute, int type, int64_t most, int64_t* count, void* values);
  Status (*execute)(Object handle, Object plan, Object variant_pack);
};

// The library, or null if there is none; another one offered is another address, and none is ever closed.
const Library* library();

// The smallest convolution, in multiply-adds, that is worth its calls on the host.
int64_t least_work();

// Counts a convolution that cuDNN ran, or one that it was asked for and our kernel ran, and why.
void count_run();
void count_own(const char* why);

}  // namespace fastnn::cuda::dnn
