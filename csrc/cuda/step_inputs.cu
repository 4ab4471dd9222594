#include <cstring>
#include <stdexcept>
#include <string>

#include "cuda/step_inputs.h"

namespace fastnn::cuda {
namespace {

thread_local StepInputs* t_inputs = nullptr;

const void* record(StepInputs& s, const void* reader, const void* numbers, int64_t bytes) {
  const int64_t at = s.used, header = static_cast<int64_t>(sizeof(StepInput));
  if (at + header + bytes + 16 > s.capacity)
    throw std::runtime_error("a step cannot be captured whose updates and random draws need more than " +
                             std::to_string(s.capacity) + " bytes of numbers");
  *s.entry(at) = {reader, bytes};
  std::memcpy(s.host + at + header, numbers, static_cast<size_t>(bytes));
  s.used = s.behind(at);
  return s.device + at + header;
}

void refill(StepInputs& s, const void* reader, const void* numbers, int64_t bytes) {
  s.next = s.update_from(s.next);
  s.fits = s.fits && s.next < s.used && s.entry(s.next)->reader == reader && s.entry(s.next)->bytes == bytes;
  if (!s.fits) return;
  std::memcpy(s.host + s.next + sizeof(StepInput), numbers, static_cast<size_t>(bytes));
  s.next = s.behind(s.next);
}

}  // namespace

const void* step_input(const void* reader, const void* numbers, int64_t bytes) {
  if (!t_inputs) return nullptr;
  if (t_inputs->mode == StepInputs::Mode::recording) return record(*t_inputs, reader, numbers, bytes);
  refill(*t_inputs, reader, numbers, bytes);
  return nullptr;
}

bool only_noting() { return t_inputs && t_inputs->mode == StepInputs::Mode::refilling; }
bool capturing() { return t_inputs && t_inputs->mode == StepInputs::Mode::recording; }

void refuse_in_captured_step(const char* op) {
  if (capturing()) throw std::runtime_error(std::string(op) + ": cannot be part of a captured step");
}

}  // namespace fastnn::cuda

#define FASTNN_EXPORT extern "C" __attribute__((visibility("default")))

// The calls of this thread note their numbers here from now on; null: no longer.
FASTNN_EXPORT void fastnn_cuda_use_step_inputs(fastnn::StepInputs* inputs) { fastnn::cuda::t_inputs = inputs; }

// The block's next contents, in the order of the stream. The memory they come from is pageable: the runtime has
// read it when the call returns.
FASTNN_EXPORT void fastnn_cuda_send_step_inputs(const fastnn::StepInputs* inputs) {
  const cudaError_t error = cudaMemcpyAsync(inputs->device, inputs->host, static_cast<size_t>(inputs->used),
                                            cudaMemcpyHostToDevice, fastnn::cuda::stream());
  if (error != cudaSuccess)
    throw std::runtime_error(std::string("cudaMemcpyAsync: CUDA error: ") + cudaGetErrorString(error));
}
