// Convolutions as cuDNN plans them: channels-last arrays, the engine that its heuristics rank first among those whose
// results are float32's and the same in every run.
#pragma once

#include <compare>
#include <cstdint>

namespace fastnn::cuda::dnn {

enum class Direction : int64_t { forward, input_gradient, weight_gradient };

// All that a plan depends on, and its key; shapes are (n, channels, height, width), y's arrays are the convolution's.
struct Convolution {
  Direction direction;
  int64_t element_bytes, winograd;  // winograd: whether such engines may be taken
  int64_t x[4], weight[4], y[4];
  int64_t strides[2], dilations[2], before[2], after[2];
  int64_t alignments[3];  // of x, weight and y, in bytes
  auto operator<=>(const Convolution&) const = default;
};

// Bytes of workspace, or -1 if cuDNN has no plan for it. The answer stays the same on this thread.
int64_t plan_workspace(const Convolution& c);

// Runs it on the stream of the call in progress; false if it could not.
bool run_plan(const Convolution& c, const void* x, const void* weight, const void* y, void* workspace);

}  // namespace fastnn::cuda::dnn
