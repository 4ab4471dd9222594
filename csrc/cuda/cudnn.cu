#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#include "cuda/cudnn.h"
#include "cuda/shared_library.h"

namespace fastnn::cuda::dnn {
namespace {

struct State {
  std::mutex mutex;
  std::vector<std::string> offered;  // paths to try, the first that opens wins
  int64_t least_work = 0;
  bool tried = false;
  const Library* library = nullptr;
  std::string path, problem = "no convolution was large enough for it yet";
  int64_t ran = 0, own = 0;
};
State& state() {
  static State& state = *new State;  // threads may outlive static objects
  return state;
}

bool find_functions(void* library, Library& f) {
  return find_function(library, "cudnnGetVersion", f.version) &&
         find_function(library, "cudnnGetLastErrorString", f.last_error) &&
         find_function(library, "cudnnCreate", f.create) && find_function(library, "cudnnSetStream", f.set_stream) &&
         find_function(library, "cudnnBackendCreateDescriptor", f.create_descriptor) &&
         find_function(library, "cudnnBackendDestroyDescriptor", f.destroy_descriptor) &&
         find_function(library, "cudnnBackendFinalize", f.finalize) &&
         find_function(library, "cudnnBackendSetAttribute", f.set) &&
         find_function(library, "cudnnBackendGetAttribute", f.get) &&
         find_function(library, "cudnnBackendExecute", f.execute);
}

void open(State& s) {
  s.tried = true;
  s.problem = s.offered.empty() ? "switched off" : "not found";
  open_first(s.offered, [&](void* opened, const std::string& path) {
    Library found{};
    if (!find_functions(opened, found) || found.version() / 10000 != 9) {
      s.problem = path + " is not cuDNN 9";
      return false;
    }
    s.library = new Library(found);
    s.path = path;
    s.problem.clear();
    return true;
  });
}

}  // namespace

const Library* library() {
  State& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  if (!s.tried) open(s);
  return s.library;
}

int64_t least_work() {
  State& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  return s.least_work;
}

void count_run() {
  State& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  ++s.ran;
}

void count_own(const char* why) {
  State& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  ++s.own;
  if (*why) s.problem = why;
}

}  // namespace fastnn::cuda::dnn

#define FASTNN_EXPORT extern "C" __attribute__((visibility("default")))

// Paths of cuDNN, tried in this order when the first convolution of this many multiply-adds is asked for.
FASTNN_EXPORT void fastnn_cuda_offer_cudnn(const char* const* paths, int count, int64_t least_work) {
  auto& s = fastnn::cuda::dnn::state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  s.offered.assign(paths, paths + count);
  s.least_work = least_work;
  s.tried = false;
  s.library = nullptr;
  s.path.clear();
  s.ran = s.own = 0;
}

// The version (0: none is open), convolutions that ran there and in our kernels, and two texts of 512 bytes: the path
// and what stood in the way last.
FASTNN_EXPORT void fastnn_cuda_cudnn_state(int64_t numbers[3], char* path, char* problem) {
  auto& s = fastnn::cuda::dnn::state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  numbers[0] = s.library ? static_cast<int64_t>(s.library->version()) : 0;
  numbers[1] = s.ran;
  numbers[2] = s.own;
  std::snprintf(path, 512, "%s", s.path.c_str());
  std::snprintf(problem, 512, "%s", s.problem.c_str());
}
