// What the losses have in common: reductions and integer classes.
#pragma once

#include "python/support/arguments.h"

namespace fastnn {

enum class Reduction { mean, sum, none };
Reduction parse_reduction(const char* op, py::handle value);

// The target's classes in [0, c), each checked; -1 in place of ignore_index, if there is one. Returns how
// many count.
int64_t read_classes(const char* op, const View& target, int64_t c, std::optional<int64_t> ignore_index,
                     int64_t* classes);

}  // namespace fastnn
