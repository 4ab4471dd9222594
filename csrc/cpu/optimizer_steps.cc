#include "ops/optimizer_steps.h"

#include "core/parallel.h"
#include "core/vec.h"
#include "formulas/optimizer_steps.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T, class Update>
void update_chunks(const StepLists<T>& lists, const Update& update) {
  constexpr int64_t kW = kLanes<T>;
  constexpr int kRoles = Update::kRoles;
  const WholeGradient<T> whole(lists);
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
                      whole(v);
                      update(v);
#pragma GCC unroll 8
                      for (int r = 0; r < kRoles; ++r)
                        if (update.written >> r & 1) store(p[r] + k, v[r]);
                    }
                    if (const int64_t n = chunk.count - k; n > 0) {
                      for (int r = 0; r < kRoles; ++r) v[r] = p[r] ? load_n(p[r] + k, n) : Vec<T>{};
                      whole(v);
                      update(v);
                      for (int r = 0; r < kRoles; ++r)
                        if (update.written >> r & 1) store_n(p[r] + k, v[r], n);
                    }
                  });
}

template <class Args>
void step(const Args& a) {
  with_update(a, [&](const auto& update) { update_chunks(a.lists, update); });
}

}  // namespace

void sgd_step(const SgdArgs<float>& a) { step(a); }
void sgd_step(const SgdArgs<double>& a) { step(a); }
void adagrad_step(const AdagradArgs<float>& a) { step(a); }
void adagrad_step(const AdagradArgs<double>& a) { step(a); }
void rmsprop_step(const RmspropArgs<float>& a) { step(a); }
void rmsprop_step(const RmspropArgs<double>& a) { step(a); }
void adam_step(const AdamArgs<float>& a) { step(a); }
void adam_step(const AdamArgs<double>& a) { step(a); }

}  // namespace fastnn::FASTNN_ISA
