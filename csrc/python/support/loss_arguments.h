// What the losses have in common: reductions and integer classes.
#pragma once

#include "core/integers.h"
#include "python/support/arguments.h"

namespace fastnn {

enum class Reduction { mean, sum, none };
Reduction parse_reduction(const char* op, py::handle value);

Integers integers_of(const View& target);  // of an integer dtype, rank 1

// The target's classes in [0, c), each checked; -1 in place of ignore_index, if there is one. Returns how
// many count.
int64_t read_classes(const char* op, const View& target, int64_t c, std::optional<int64_t> ignore_index,
                     int64_t* classes);

// The loss of a device's kernel, reduced: an array of no axis, which takes the kernel's result in its time.
template <class T>
py::array scalar_on_device(T*& loss) {
  py::array scalar = new_array<T>(Shape{});
  loss = data_of<T>(scalar);
  return scalar;
}

}  // namespace fastnn
