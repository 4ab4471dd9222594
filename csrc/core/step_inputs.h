// The numbers of a captured step that differ from replay to replay: what updates go by, and where random streams
// stand. A replayed kernel's arguments stay as they were captured, so it reads these from a block of device memory.
#pragma once

#include <cstdint>

namespace fastnn {

// In front of every entry of the block; entries follow each other as the step's kernels asked for them.
struct alignas(16) StepInput {
  const void* reader;  // identifies the kernel of an update, null for a StreamPosition
  int64_t bytes;       // of the numbers behind this
};
struct StreamPosition {
  uint64_t seed, offset;
};

struct StepInputs {
  // Recording notes what kernels ask for, while they are captured. Refilling notes the updates' next numbers in the
  // entries that were recorded, and launches nothing.
  enum class Mode : int32_t { recording, refilling };
  Mode mode;
  bool fits;            // refilling: the updates so far are those that were recorded
  char *host, *device;  // the block's next contents, and the block
  int64_t capacity, used;
  int64_t next;  // refilling: where the next entry is looked for

  StepInput* entry(int64_t at) const { return reinterpret_cast<StepInput*>(host + at); }
  int64_t behind(int64_t at) const {
    return at + static_cast<int64_t>(sizeof(StepInput)) + (entry(at)->bytes + 15) / 16 * 16;
  }
  // The first entry of an update from `at` on, or the end.
  int64_t update_from(int64_t at) const {
    while (at < used && !entry(at)->reader) at = behind(at);
    return at;
  }
};

// Kernel calls of this thread note their numbers here, until it is null.
void use_step_inputs(StepInputs* inputs);
// Copies the numbers to the device, on the stream of the call in progress.
void send_step_inputs(const StepInputs& inputs);

}  // namespace fastnn
