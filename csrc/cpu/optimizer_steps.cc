#include "ops/optimizer_steps.h"

#include "core/parallel.h"
#include "core/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Calls update(v) for every vector, v[r] being role r's lanes and v[1] already the whole gradient with what
// weight decay, L1 and scale make of it; it changes them in place, and the roles in `written` go back to memory.
template <int kRoles, class T, class F>
void update_chunks(const StepLists<T>& lists, unsigned written, const F& update) {
  constexpr int64_t kW = kLanes<T>;
  const Vec<T> scale = splat(lists.grad_scale), decay = splat(lists.weight_decay), l1 = splat(lists.l1), zero{};
  const bool has_l1 = lists.l1 != 0;
  auto regularise = [=](Vec<T>* v) {
    v[1] = fma(decay, v[0], scale * v[1]);
    if (has_l1) v[1] += select<T>(v[0] > zero, l1, select<T>(v[0] < zero, -l1, zero));
  };
  parallel_blocks(lists.chunk_count, lists.width, lists.elements * static_cast<int64_t>(sizeof(T)) * (kRoles + 2),
                  [&](int64_t i, int) {
                    const ListChunk& chunk = lists.chunks[i];
                    T* p[kRoles];
                    for (int r = 0; r < kRoles; ++r)
                      p[r] = lists.roles[r] ? lists.roles[r][chunk.index] + chunk.begin : nullptr;
                    Vec<T> v[kRoles];
                    int64_t k = 0;
                    for (; k + kW <= chunk.count; k += kW) {
#pragma GCC unroll 8
                      for (int r = 0; r < kRoles; ++r) v[r] = p[r] ? load(p[r] + k) : Vec<T>{};
                      regularise(v);
                      update(v);
#pragma GCC unroll 8
                      for (int r = 0; r < kRoles; ++r)
                        if (written >> r & 1) store(p[r] + k, v[r]);
                    }
                    if (const int64_t n = chunk.count - k; n > 0) {
                      for (int r = 0; r < kRoles; ++r) v[r] = p[r] ? load_n(p[r] + k, n) : Vec<T>{};
                      regularise(v);
                      update(v);
                      for (int r = 0; r < kRoles; ++r)
                        if (written >> r & 1) store_n(p[r] + k, v[r], n);
                    }
                  });
}

template <class T>
void sgd(const SgdArgs<T>& a) {
  const Vec<T> lr = splat(-a.lr), momentum = splat(a.momentum), undampened = splat(a.undampened);
  if (a.momentum == 0) return update_chunks<2>(a.lists, 1, [=](Vec<T>* v) { v[0] = fma(lr, v[1], v[0]); });
  update_chunks<3>(a.lists, 1 | 4, [=](Vec<T>* v) {
    const Vec<T> g = v[1];
    v[2] = fma(momentum, v[2], undampened * g);
    v[0] = fma(lr, a.nesterov ? fma(momentum, v[2], g) : v[2], v[0]);
  });
}

template <class T>
void adagrad(const AdagradArgs<T>& a) {
  const Vec<T> lr = splat(a.lr), eps = splat(a.eps);
  update_chunks<3>(a.lists, 1 | 4, [=](Vec<T>* v) {
    const Vec<T> g = v[1];
    v[2] = fma(g, g, v[2]);
    v[0] = v[0] - lr * g / (sqrt(v[2]) + eps);
  });
}

template <class T>
void rmsprop(const RmspropArgs<T>& a) {
  const Vec<T> lr = splat(a.lr), alpha = splat(a.alpha), rest = splat(a.rest), eps = splat(a.eps),
               momentum = splat(a.momentum), zero{};
  if (!a.centered && a.momentum == 0) {
    return update_chunks<3>(a.lists, 1 | 4, [=](Vec<T>* v) {
      const Vec<T> g = v[1];
      v[2] = fma(alpha, v[2], rest * (g * g));
      v[0] = v[0] - lr * g / (sqrt(v[2]) + eps);
    });
  }
  const bool uses_momentum = a.momentum != 0, centered = a.centered;
  update_chunks<5>(a.lists, 1 | 4 | (uses_momentum ? 8 : 0) | (centered ? 16 : 0), [=](Vec<T>* v) {
    const Vec<T> g = v[1];
    v[2] = fma(alpha, v[2], rest * (g * g));
    Vec<T> variance = v[2];
    if (centered) {
      v[4] = fma(alpha, v[4], rest * g);
      variance = variance - v[4] * v[4];
      variance = select<T>(variance < zero, zero, variance);  // rounding may push it below
    }
    Vec<T> update = g / (sqrt(variance) + eps);
    if (uses_momentum) update = v[3] = fma(momentum, v[3], update);
    v[0] = fma(-lr, update, v[0]);
  });
}

template <class T>
void adam(const AdamArgs<T>& a) {
  const Vec<T> beta1 = splat(a.beta1), rest1 = splat(a.rest1), beta2 = splat(a.beta2), rest2 = splat(a.rest2),
               eps = splat(a.eps), step_size = splat(a.step_size), correction = splat(a.root_correction),
               shrink = splat(a.shrink);
  auto moments = [=](Vec<T>* v) {
    const Vec<T> g = v[1];
    v[2] = fma(beta1, v[2], rest1 * g);
    v[3] = fma(beta2, v[3], rest2 * (g * g));
  };
  auto apply = [=](Vec<T>* v, Vec<T> second) {
    v[0] = v[0] * shrink - step_size * v[2] / fma(sqrt(second), correction, eps);
  };
  if (a.lists.roles[4]) {
    update_chunks<5>(a.lists, 1 | 4 | 8 | 16, [=](Vec<T>* v) {
      moments(v);
      v[4] = max_nan<T>(v[4], v[3]);
      apply(v, v[4]);
    });
  } else {
    update_chunks<4>(a.lists, 1 | 4 | 8, [=](Vec<T>* v) {
      moments(v);
      apply(v, v[3]);
    });
  }
}

}  // namespace

void sgd_step(const SgdArgs<float>& a) { sgd(a); }
void sgd_step(const SgdArgs<double>& a) { sgd(a); }
void adagrad_step(const AdagradArgs<float>& a) { adagrad(a); }
void adagrad_step(const AdagradArgs<double>& a) { adagrad(a); }
void rmsprop_step(const RmspropArgs<float>& a) { rmsprop(a); }
void rmsprop_step(const RmspropArgs<double>& a) { rmsprop(a); }
void adam_step(const AdamArgs<float>& a) { adam(a); }
void adam_step(const AdamArgs<double>& a) { adam(a); }

}  // namespace fastnn::FASTNN_ISA
