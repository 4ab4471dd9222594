// Whether products in float32 may round their operands to bfloat16: the user's choice, where the CPU gains by it.
#pragma once

#include "python/support/arguments.h"

namespace fastnn {

bool may_round_to_bfloat16();

void set_float32_matmul_precision(py::handle precision);
std::string get_float32_matmul_precision();

}  // namespace fastnn
