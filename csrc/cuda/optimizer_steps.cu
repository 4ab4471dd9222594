#include "cuda/array_list.cuh"
#include "cuda/step_inputs.h"
#include "formulas/optimizer_steps.h"
#include "ops/optimizer_steps.h"

namespace fastnn::cuda {
namespace {

// All numbers of an update.
template <class T, class Update>
struct Rule {
  WholeGradient<T> whole;
  Update update;
};

template <class T, class Update>
__global__ void step_kernel(ArrayList<T, Update::kRoles> list, StepNumbers<Rule<T, Update>> numbers) {
  constexpr int kRoles = Update::kRoles;
  const Rule<T, Update> rule = numbers.get();
  const int64_t chunk = blockIdx.x;
  const int array = list.array_of(chunk);
  const int64_t begin = (chunk - list.first_chunk[array]) * kChunk<T>, size = list.size[array];
  Pack<T> v[kPacksAtOnce][kRoles] = {};
#pragma unroll
  for (int u = 0; u < kPacksAtOnce; ++u) {
    const int64_t i = begin + (u * kThreads + static_cast<int>(threadIdx.x)) * kPack<T>;
    if (i >= size) break;
#pragma unroll
    for (int r = 0; r < kRoles; ++r)
      if (list.at[r][array]) v[u][r] = load_pack(list.at[r][array] + i, size - i);
  }
#pragma unroll
  for (int u = 0; u < kPacksAtOnce; ++u) {
    const int64_t i = begin + (u * kThreads + static_cast<int>(threadIdx.x)) * kPack<T>;
    if (i >= size) break;
#pragma unroll
    for (int k = 0; k < kPack<T>; ++k) {
      T lane[kRoles];
#pragma unroll
      for (int r = 0; r < kRoles; ++r) lane[r] = v[u][r].at[k];
      rule.whole(lane);
      rule.update(lane);
#pragma unroll
      for (int r = 0; r < kRoles; ++r) v[u][r].at[k] = lane[r];
    }
#pragma unroll
    for (int r = 0; r < kRoles; ++r)
      if (rule.update.written >> r & 1) store_pack(list.at[r][array] + i, v[u][r], size - i);
  }
}

template <class T, class Update>
void update_lists(const StepLists<T>& lists, const Update& update) {
  using List = ArrayList<T, Update::kRoles>;
  const void* kernel = reinterpret_cast<const void*>(&step_kernel<T, Update>);
  const StepNumbers<Rule<T, Update>> numbers(kernel, {WholeGradient<T>(lists), update});
  static_assert(sizeof(List) + sizeof numbers <= 4096);
  if (only_noting()) return;
  for_lists<T, Update::kRoles>(
      lists.chunks, lists.chunk_count,
      [&](int r, int64_t index) { return lists.roles[r] ? lists.roles[r][index] : nullptr; },
      [&](const List& list) { FASTNN_LAUNCH((step_kernel<T, Update>), list.chunks, kThreads, 0, list, numbers); });
}

template <class Args>
void step(const Args& a) {
  with_update(a, [&](const auto& update) { update_lists(a.lists, update); });
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
FASTNN_CUDA_KERNEL(void, sgd_step, SgdArgs)
FASTNN_CUDA_KERNEL(void, adagrad_step, AdagradArgs)
FASTNN_CUDA_KERNEL(void, rmsprop_step, RmspropArgs)
FASTNN_CUDA_KERNEL(void, adam_step, AdamArgs)

}  // namespace fastnn::cuda
