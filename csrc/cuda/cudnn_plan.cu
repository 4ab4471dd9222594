#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "cuda/cudnn.h"
#include "cuda/cudnn_plan.h"
#include "cuda/launch.h"

namespace fastnn::cuda::dnn {
namespace {

constexpr int64_t kMostWorkspace = 256 << 20;
constexpr size_t kMostPlans = 1024;
constexpr int64_t kMostConfigs = 64;
constexpr int64_t kX = 1, kWeight = 2, kY = 3;  // the arrays' names in a plan

struct Destroy {
  const Library* library = nullptr;
  void operator()(Object descriptor) const { library->destroy_descriptor(descriptor); }
};
using Descriptor = std::unique_ptr<void, Destroy>;

// Makes descriptors, and remembers what went wrong first.
class Builder {
 public:
  explicit Builder(const Library& library) : dnn_(library) {}

  Descriptor make(int kind) {
    Object made = nullptr;
    note(dnn_.create_descriptor(kind, &made), "a descriptor");
    return {made, Destroy{&dnn_}};
  }
  template <class V>
  void set(const Descriptor& d, int attribute, int type, const V* values, int64_t count = 1) {
    if (ok()) note(dnn_.set(d.get(), attribute, type, count, values), "an attribute");
  }
  void set(const Descriptor& d, int attribute, const Descriptor& value) {
    const Object object = value.get();
    set(d, attribute, kDescriptor, &object);
  }
  void finalize(const Descriptor& d, const char* what) {
    if (ok()) note(dnn_.finalize(d.get()), what);
  }
  void note(Status status, const char* what) {
    if (status == 0 || !ok()) return;
    char text[256] = {};
    dnn_.last_error(text, sizeof(text));
    problem_ = std::string(what) + ": cuDNN error " + std::to_string(status) + " " + text;
  }
  bool ok() const { return problem_.empty(); }
  const std::string& problem() const { return problem_; }

 private:
  const Library& dnn_;
  std::string problem_;
};

Descriptor make_tensor(Builder& b, const Convolution& c, int64_t id, const int64_t* shape, int64_t alignment) {
  const int64_t strides[] = {shape[1] * shape[2] * shape[3], 1, shape[3] * shape[1], shape[1]};
  const int type = c.element_bytes == 8 ? kDouble : kFloat;
  Descriptor tensor = b.make(kTensor);
  b.set(tensor, kTensorType, kDataType, &type);
  b.set(tensor, kTensorShape, kInt64, shape, 4);
  b.set(tensor, kTensorStrides, kInt64, strides, 4);
  b.set(tensor, kTensorId, kInt64, &id);
  b.set(tensor, kTensorAlignment, kInt64, &alignment);
  b.finalize(tensor, "a tensor");
  return tensor;
}

Descriptor make_convolution(Builder& b, const Convolution& c) {
  const int type = c.element_bytes == 8 ? kDouble : kFloat;
  const int64_t axes = 2;
  Descriptor convolution = b.make(kConvolution);
  b.set(convolution, kComputeType, kDataType, &type);
  b.set(convolution, kMode, kConvolutionMode, &kCrossCorrelation);
  b.set(convolution, kSpatialAxes, kInt64, &axes);
  b.set(convolution, kPaddingsBefore, kInt64, c.before, 2);
  b.set(convolution, kPaddingsAfter, kInt64, c.after, 2);
  b.set(convolution, kStrides, kInt64, c.strides, 2);
  b.set(convolution, kDilations, kInt64, c.dilations, 2);
  b.finalize(convolution, "a convolution");
  return convolution;
}

// The graph of the one operation, behind the descriptors that it refers to.
std::vector<Descriptor> make_graph(Builder& b, const Convolution& c, Object handle) {
  const OperationAttributes& as = kOperations[static_cast<int>(c.direction)];
  std::vector<Descriptor> made;
  made.push_back(make_tensor(b, c, kX, c.x, c.alignments[0]));
  made.push_back(make_tensor(b, c, kWeight, c.weight, c.alignments[1]));
  made.push_back(make_tensor(b, c, kY, c.y, c.alignments[2]));
  made.push_back(make_convolution(b, c));
  Descriptor operation = b.make(as.kind), graph = b.make(kGraph);
  const auto scale = [&]<class V>(int attribute, int type, V value) { b.set(operation, attribute, type, &value); };
  if (c.element_bytes == 8)
    scale(as.alpha, kFloat64, 1.0), scale(as.beta, kFloat64, 0.0);
  else
    scale(as.alpha, kFloat32, 1.0f), scale(as.beta, kFloat32, 0.0f);
  b.set(operation, as.x, made[0]);
  b.set(operation, as.weight, made[1]);
  b.set(operation, as.y, made[2]);
  b.set(operation, as.convolution, made[3]);
  b.finalize(operation, "the operation");
  b.set(graph, kGraphOperations, operation);
  b.set(graph, kGraphHandle, kHandle, &handle);
  b.finalize(graph, "the graph");
  made.push_back(std::move(operation));
  made.push_back(std::move(graph));
  return made;
}

// The configurations of engines that this way of ranking offers, the best first.
std::vector<Descriptor> rank(const Library& dnn, Builder& b, const Descriptor& graph, int way) {
  const Descriptor heuristic = b.make(kHeuristic);
  b.set(heuristic, kHeuristicGraph, graph);
  b.set(heuristic, kHeuristicWay, kHeuristicMode, &way);
  b.finalize(heuristic, "the heuristics");
  std::vector<Descriptor> configs;
  Object results[kMostConfigs];
  for (Object& result : results) {
    configs.push_back(b.make(kEngineConfig));
    result = configs.back().get();
  }
  int64_t count = 0;
  if (b.ok())
    b.note(dnn.get(heuristic.get(), kHeuristicResults, kDescriptor, kMostConfigs, &count, results), "the engines");
  configs.resize(b.ok() ? static_cast<size_t>(count < kMostConfigs ? count : kMostConfigs) : 0);
  return configs;
}

bool acceptable(const Library& dnn, Builder& b, const Convolution& c, const Descriptor& config) {
  const Descriptor engine = b.make(kEngine);
  Object result = engine.get();
  int64_t count = 0;
  int notes[32];
  if (!b.ok() || dnn.get(config.get(), kConfigEngine, kDescriptor, 1, &count, &result) != 0) return false;
  if (dnn.get(result, kEngineNotes, kNote, 32, &count, notes) != 0 || count > 32) return false;
  for (int64_t i = 0; i < count; ++i) {
    const int note = notes[i];
    if (note == kNondeterministic || note == kRoundsInputs || note == kRoundsSums || note == kFft) return false;
    if (note == kTensorCore && c.element_bytes == 4) return false;
    if (note >= kFirstWinograd && note <= kLastWinograd && !c.winograd) return false;
  }
  return true;
}

struct Plan {
  int64_t workspace = -1;
  std::vector<Descriptor> descriptors;  // the plan last, behind what it was made of
  std::string problem;
};

// The plan of a configuration; none (-1) if the engine does not take the problem after all.
Plan make_plan(const Library& dnn, Object handle, Descriptor& config) {
  Builder b(dnn);
  Descriptor plan = b.make(kPlan);
  b.set(plan, kPlanHandle, kHandle, &handle);
  b.set(plan, kPlanConfig, config);
  b.finalize(plan, "the plan");
  int64_t bytes = 0, count = 0;
  if (b.ok()) b.note(dnn.get(plan.get(), kPlanWorkspace, kInt64, 1, &count, &bytes), "the workspace");
  Plan found;
  if (!b.ok() || bytes > kMostWorkspace) return found;
  found.workspace = bytes;
  found.descriptors.push_back(std::move(config));
  found.descriptors.push_back(std::move(plan));
  return found;
}

Plan find_plan(const Library& dnn, Object handle, const Convolution& c) {
  Plan none;
  Builder b(dnn);
  std::vector<Descriptor> made = make_graph(b, c, handle);
  if (b.ok()) none.problem = "no engine that keeps the promises";
  for (const int way : {kBest, kFallback}) {
    Builder ranking(dnn);
    if (!b.ok()) break;
    for (Descriptor& config : rank(dnn, ranking, made.back(), way)) {
      if (!acceptable(dnn, ranking, c, config)) continue;
      Plan found = make_plan(dnn, handle, config);
      if (found.workspace < 0) continue;
      found.descriptors.insert(found.descriptors.begin(), std::make_move_iterator(made.begin()),
                               std::make_move_iterator(made.end()));
      return found;
    }
    if (!ranking.ok()) none.problem = ranking.problem();
  }
  if (!b.ok()) none.problem = b.problem();
  return none;
}

// A handle with its plans. A thread has its own; when it ends, the next new thread takes it over, so that nothing is
// made twice or destroyed after the driver has gone.
struct Context {
  const Library* library = nullptr;
  int device = 0;
  Object handle = nullptr;  // null: none could be made
  std::string problem;
  std::map<Convolution, Plan> plans;
};
struct Idle {
  std::mutex mutex;
  std::vector<std::unique_ptr<Context>> contexts;
};
Idle& idle() {
  static Idle& idle = *new Idle;
  return idle;
}

struct OfThread {
  std::vector<std::unique_ptr<Context>> contexts;
  ~OfThread() {
    const std::lock_guard<std::mutex> lock(idle().mutex);
    for (auto& context : contexts) idle().contexts.push_back(std::move(context));
  }
};

std::unique_ptr<Context> take_context(const Library* library, int device) {
  {
    const std::lock_guard<std::mutex> lock(idle().mutex);
    for (auto& context : idle().contexts)
      if (context->library == library && context->device == device) {
        std::swap(context, idle().contexts.back());
        auto taken = std::move(idle().contexts.back());
        idle().contexts.pop_back();
        return taken;
      }
  }
  auto made = std::make_unique<Context>();
  made->library = library;
  made->device = device;
  Builder b(*library);
  b.note(library->create(&made->handle), "a handle");
  if (!b.ok()) made->handle = nullptr;
  made->problem = b.problem();
  return made;
}

Context* context() {
  thread_local OfThread mine;
  const Library* now = library();
  int device = 0;
  if (!now || cudaGetDevice(&device) != cudaSuccess) return nullptr;
  for (auto& context : mine.contexts)
    if (context->library == now && context->device == device) return context.get();
  mine.contexts.push_back(take_context(now, device));
  return mine.contexts.back().get();
}

Plan* plan_of(Context& context, const Convolution& c) {
  if (!context.handle) return nullptr;
  const auto known = context.plans.find(c);
  if (known != context.plans.end()) return &known->second;
  if (context.plans.size() >= kMostPlans) context.plans.clear();
  return &context.plans.emplace(c, find_plan(*context.library, context.handle, c)).first->second;
}

}  // namespace

int64_t plan_workspace(const Convolution& c) {
  Context* at = context();
  const Plan* plan = at ? plan_of(*at, c) : nullptr;
  return plan ? plan->workspace : -1;
}

bool run_plan(const Convolution& c, const void* x, const void* weight, const void* y, void* workspace) {
  Context* at = context();
  if (!at) return count_own(""), false;
  Plan* plan = plan_of(*at, c);
  if (!plan || plan->workspace < 0) return count_own((plan ? plan->problem : at->problem).c_str()), false;
  const Library& dnn = *at->library;
  const int64_t ids[] = {kX, kWeight, kY};
  const void* pointers[] = {x, weight, y};
  Builder b(dnn);
  const Descriptor pack = b.make(kVariantPack);
  b.set(pack, kPackIds, kInt64, ids, 3);
  b.set(pack, kPackPointers, kPointer, pointers, 3);
  b.set(pack, kPackWorkspace, kPointer, &workspace);
  b.finalize(pack, "the arrays");
  if (b.ok()) b.note(dnn.set_stream(at->handle, stream()), "the stream");
  if (b.ok()) b.note(dnn.execute(at->handle, plan->descriptors.back().get(), pack.get()), "the execution");
  if (!b.ok()) return count_own(b.problem().c_str()), false;
  count_run();
  return true;
}

}  // namespace fastnn::cuda::dnn
