// How kernels take numbers that differ from step to step: by value, or, in a step that is being captured, from the
// block that core/step_inputs.h describes.
#pragma once

#include "core/step_inputs.h"
#include "cuda/launch.h"

namespace fastnn::cuda {

// Where the kernel that is launched next finds these numbers: in the block if a step is being captured, else null.
const void* step_input(const void* reader, const void* numbers, int64_t bytes);

// Whether the calls of this thread only note their numbers and must not launch.
bool only_noting();

// Throws std::runtime_error if a step is being captured: the op's numbers would be the same in each replay.
void refuse_in_captured_step(const char* op);

template <class V>
struct StepNumbers {
  V value;
  const V* at;

  StepNumbers(const void* reader, const V& numbers)
      : value(numbers), at(static_cast<const V*>(step_input(reader, &numbers, sizeof numbers))) {}
  explicit StepNumbers(const V& numbers) : value(numbers), at(nullptr) {}  // the same in all steps
  __device__ V get() const { return at ? *at : value; }
};

}  // namespace fastnn::cuda
