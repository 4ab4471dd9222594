// The updates of one element. v[r] is role r's lanes, as csrc/ops/optimizer_steps.h numbers them; v[1] is the whole
// gradient. An update changes v in place; the roles whose bits are set in `written` go back to memory.
#pragma once

#include "core/vec.h"
#include "ops/optimizer_steps.h"

namespace fastnn::FASTNN_ISA {

// Makes the whole gradient of v[1]: scale, weight decay and L1.
template <class T>
struct WholeGradient {
  Vec<T> scale, decay, l1;
  bool has_l1;
  explicit WholeGradient(const StepLists<T>& a)
      : scale(splat(a.grad_scale)), decay(splat(a.weight_decay)), l1(splat(a.l1)), has_l1(a.l1 != 0) {}
  FASTNN_MEMBER void operator()(Vec<T>* v) const {
    const Vec<T> zero{};
    v[1] = fma(decay, v[0], scale * v[1]);
    if (has_l1) v[1] += select<T>(v[0] > zero, l1, select<T>(v[0] < zero, -l1, zero));
  }
};

template <class T>
struct PlainSgd {
  static constexpr int kRoles = 2;
  static constexpr unsigned written = 1;
  Vec<T> lr;
  explicit PlainSgd(const SgdArgs<T>& a) : lr(splat(-a.lr)) {}
  FASTNN_MEMBER void operator()(Vec<T>* v) const { v[0] = fma(lr, v[1], v[0]); }
};

template <class T>
struct MomentumSgd {
  static constexpr int kRoles = 3;
  static constexpr unsigned written = 1 | 4;
  Vec<T> lr, momentum, undampened;
  bool nesterov;
  explicit MomentumSgd(const SgdArgs<T>& a)
      : lr(splat(-a.lr)), momentum(splat(a.momentum)), undampened(splat(a.undampened)), nesterov(a.nesterov) {}
  FASTNN_MEMBER void operator()(Vec<T>* v) const {
    const Vec<T> g = v[1];
    v[2] = fma(momentum, v[2], undampened * g);
    v[0] = fma(lr, nesterov ? fma(momentum, v[2], g) : v[2], v[0]);
  }
};

template <class T>
struct Adagrad {
  static constexpr int kRoles = 3;
  static constexpr unsigned written = 1 | 4;
  Vec<T> lr, eps;
  explicit Adagrad(const AdagradArgs<T>& a) : lr(splat(a.lr)), eps(splat(a.eps)) {}
  FASTNN_MEMBER void operator()(Vec<T>* v) const {
    const Vec<T> g = v[1];
    v[2] = fma(g, g, v[2]);
    v[0] = v[0] - lr * g / (sqrt(v[2]) + eps);
  }
};

template <class T>
struct PlainRmsprop {
  static constexpr int kRoles = 3;
  static constexpr unsigned written = 1 | 4;
  Vec<T> lr, alpha, rest, eps;
  explicit PlainRmsprop(const RmspropArgs<T>& a)
      : lr(splat(a.lr)), alpha(splat(a.alpha)), rest(splat(a.rest)), eps(splat(a.eps)) {}
  FASTNN_MEMBER void operator()(Vec<T>* v) const {
    const Vec<T> g = v[1];
    v[2] = fma(alpha, v[2], rest * (g * g));
    v[0] = v[0] - lr * g / (sqrt(v[2]) + eps);
  }
};

// Centered, with momentum, or both.
template <class T>
struct Rmsprop {
  static constexpr int kRoles = 5;
  unsigned written;
  Vec<T> lr, alpha, rest, eps, momentum;
  bool uses_momentum, centered;
  explicit Rmsprop(const RmspropArgs<T>& a)
      : written(1u | 4u | (a.momentum != 0 ? 8u : 0u) | (a.centered ? 16u : 0u)),
        lr(splat(-a.lr)),
        alpha(splat(a.alpha)),
        rest(splat(a.rest)),
        eps(splat(a.eps)),
        momentum(splat(a.momentum)),
        uses_momentum(a.momentum != 0),
        centered(a.centered) {}
  FASTNN_MEMBER void operator()(Vec<T>* v) const {
    const Vec<T> g = v[1], zero{};
    v[2] = fma(alpha, v[2], rest * (g * g));
    Vec<T> variance = v[2];
    if (centered) {
      v[4] = fma(alpha, v[4], rest * g);
      variance = variance - v[4] * v[4];
      variance = select<T>(variance < zero, zero, variance);  // rounding may push it below
    }
    Vec<T> update = g / (sqrt(variance) + eps);
    if (uses_momentum) update = v[3] = fma(momentum, v[3], update);
    v[0] = fma(lr, update, v[0]);
  }
};

template <class T, bool kAmsgrad>
struct Adam {
  static constexpr int kRoles = kAmsgrad ? 5 : 4;
  static constexpr unsigned written = kAmsgrad ? 1 | 4 | 8 | 16 : 1 | 4 | 8;
  Vec<T> beta1, rest1, beta2, rest2, eps, step_size, correction, shrink;
  explicit Adam(const AdamArgs<T>& a)
      : beta1(splat(a.beta1)),
        rest1(splat(a.rest1)),
        beta2(splat(a.beta2)),
        rest2(splat(a.rest2)),
        eps(splat(a.eps)),
        step_size(splat(a.step_size)),
        correction(splat(a.root_correction)),
        shrink(splat(a.shrink)) {}
  FASTNN_MEMBER void operator()(Vec<T>* v) const {
    const Vec<T> g = v[1];
    v[2] = fma(beta1, v[2], rest1 * g);
    v[3] = fma(beta2, v[3], rest2 * (g * g));
    if constexpr (kAmsgrad) v[4] = max_nan<T>(v[4], v[3]);
    v[0] = v[0] * shrink - step_size * v[2] / fma(sqrt(v[kRoles - 1]), correction, eps);
  }
};

// run(update) with the update that the options ask for.
template <class T, class Run>
void with_update(const SgdArgs<T>& a, const Run& run) {
  if (a.momentum == 0) return run(PlainSgd<T>(a));
  run(MomentumSgd<T>(a));
}
template <class T, class Run>
void with_update(const AdagradArgs<T>& a, const Run& run) {
  run(Adagrad<T>(a));
}
template <class T, class Run>
void with_update(const RmspropArgs<T>& a, const Run& run) {
  if (!a.centered && a.momentum == 0) return run(PlainRmsprop<T>(a));
  run(Rmsprop<T>(a));
}
template <class T, class Run>
void with_update(const AdamArgs<T>& a, const Run& run) {
  if (a.lists.roles[4]) return run(Adam<T, true>(a));
  run(Adam<T, false>(a));
}

}  // namespace fastnn::FASTNN_ISA
