#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "cuda/cublas_lt.h"
#include "cuda/shared_library.h"

namespace fastnn::cuda::lt {
namespace {

struct State {
  std::mutex mutex;
  std::vector<std::string> offered;  // paths to try, the first that opens wins
  bool tried = false;
  Library library{};
  bool open = false;
  uint64_t generation = 1;
  std::map<int, Object> handles;  // by device; null where none could be made
};
State& state() {
  static State state;
  return state;
}

bool find_functions(void* library, Library& f) {
  return find_function(library, "cublasLtCreate", f.create) &&
         find_function(library, "cublasLtMatmulDescCreate", f.create_operation) &&
         find_function(library, "cublasLtMatmulDescDestroy", f.destroy_operation) &&
         find_function(library, "cublasLtMatmulDescSetAttribute", f.set_operation) &&
         find_function(library, "cublasLtMatrixLayoutCreate", f.create_layout) &&
         find_function(library, "cublasLtMatrixLayoutDestroy", f.destroy_layout) &&
         find_function(library, "cublasLtMatrixLayoutSetAttribute", f.set_layout) &&
         find_function(library, "cublasLtMatmulPreferenceCreate", f.create_preference) &&
         find_function(library, "cublasLtMatmulPreferenceDestroy", f.destroy_preference) &&
         find_function(library, "cublasLtMatmulPreferenceSetAttribute", f.set_preference) &&
         find_function(library, "cublasLtMatmulAlgoGetHeuristic", f.find) &&
         find_function(library, "cublasLtMatmul", f.multiply);
}

}  // namespace

Session session() {
  State& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  if (!s.tried) {
    s.tried = true;
    s.open = open_first(s.offered, [&](void* opened, const std::string&) { return find_functions(opened, s.library); });
  }
  int device = 0;
  if (!s.open || cudaGetDevice(&device) != cudaSuccess) return {};
  const auto [entry, is_new] = s.handles.try_emplace(device, nullptr);
  if (is_new && s.library.create(&entry->second) != 0) entry->second = nullptr;
  if (!entry->second) return {};
  return {&s.library, entry->second, s.generation};
}

}  // namespace fastnn::cuda::lt

// Paths of cuBLASLt, tried in this order when the first product is asked for.
extern "C" __attribute__((visibility("default"))) void fastnn_cuda_offer_cublas_lt(const char* const* paths,
                                                                                   int count) {
  auto& s = fastnn::cuda::lt::state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  s.offered.assign(paths, paths + count);
  s.tried = s.open = false;
  s.handles.clear();
  ++s.generation;
}
