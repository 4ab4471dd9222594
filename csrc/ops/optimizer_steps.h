// Optimizer updates, in place, over a list of arrays in one call.
#pragma once

#include <cstdint>

#include "core/isa.h"
#include "core/list_chunk.h"

namespace fastnn {

inline constexpr int kMaxRoles = 5;  // parameter, gradient, up to three states

// Arrays of one role each, cut into chunks of a fixed size.
template <class T>
struct StepLists {
  T* const* roles[kMaxRoles];  // roles[r][array], null where the update does not use the role
  const ListChunk* chunks;
  int64_t chunk_count;
  int64_t elements;
  int width;
  // Every update goes by g = grad_scale * gradient + weight_decay * parameter + l1 * sign(parameter).
  T grad_scale, weight_decay, l1;
};

// Roles: parameter, gradient, momentum buffer.
template <class T>
struct SgdArgs {
  StepLists<T> lists;
  T lr, momentum, undampened;  // undampened = 1 - dampening
  bool nesterov;
};
FASTNN_KERNEL(void, sgd_step, SgdArgs)

// Roles: parameter, gradient, sum of squares.
template <class T>
struct AdagradArgs {
  StepLists<T> lists;
  T lr, eps;
};
FASTNN_KERNEL(void, adagrad_step, AdagradArgs)

// Roles: parameter, gradient, mean square, momentum buffer, mean gradient.
template <class T>
struct RmspropArgs {
  StepLists<T> lists;
  T lr, alpha, rest, eps, momentum;  // rest = 1 - alpha
  bool centered;
};
FASTNN_KERNEL(void, rmsprop_step, RmspropArgs)

// Roles: parameter, gradient, first moment, second moment, largest second moment (AMSGrad).
template <class T>
struct AdamArgs {
  StepLists<T> lists;
  T beta1, rest1, beta2, rest2, eps;  // rest = 1 - beta
  T step_size;                        // lr / (1 - beta1^step)
  T root_correction;                  // 1 / sqrt(1 - beta2^step)
  T shrink;                           // 1 - lr * decoupled decay
};
FASTNN_KERNEL(void, adam_step, AdamArgs)

}  // namespace fastnn
