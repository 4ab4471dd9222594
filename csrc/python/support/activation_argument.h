// The `activation=` argument of the ops that fuse one.
#pragma once

#include "ops/activations.h"
#include "python/support/arrays.h"

namespace fastnn {

// The parameter that a fused leaky_relu or elu has: the functional layer's default.
inline constexpr double kFusedLeakySlope = 0.01;
inline constexpr double kFusedEluAlpha = 1.0;

Activation parse_activation(const char* op, py::handle name);
double fused_parameter(Activation kind);

}  // namespace fastnn
