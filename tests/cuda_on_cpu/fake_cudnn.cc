// cuDNN's graph interface as far as fastnn calls it, on the CPU: convolutions by their definition, as strict about
// attributes as the manual is. `fake_calls` counts convolutions, `fake_engine` is the engine that ran last,
// `fake_refuse` sets which step fails.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <vector>

using Status = int;
constexpr Status kBad = 2000, kUnsupported = 3000, kFailed = 5000;
constexpr int64_t kWorkspace = 1000, kTooMuch = int64_t{1} << 40;

struct Value {
  int type;
  int64_t count;
  std::vector<char> bytes;
};
struct Descriptor {
  int kind = 0;
  bool final = false;
  std::map<int, Value> values;
  int engine = -1;                    // of a configuration and its engine
  const Descriptor* graph = nullptr;  // of a configuration
  template <class T>
  const T* all(int attribute) const {
    return reinterpret_cast<const T*>(values.at(attribute).bytes.data());
  }
  template <class T>
  T one(int attribute) const {
    T value;
    return std::memcpy(&value, values.at(attribute).bytes.data(), sizeof(T)), value;
  }
  const Descriptor& of(int attribute) const { return *one<Descriptor*>(attribute); }
};

static int handle_memory, handles, calls, refused, engine = -1;
static void* stream = &handle_memory;
static std::set<void*> alive;

// The engines by what they do to numbers; all but the last in mode A, the last as the fallback.
struct Engine {
  std::vector<int> notes;
  int64_t workspace;
  bool plans;
};
static const std::vector<Engine> kEngines = {
    {{0}, 0, true},    {{9, 4}, 0, true}, {{1}, 0, true}, {{2}, 0, true},       {{3}, 0, true},
    {{5, 6}, 0, true}, {{8}, 0, true},    {{}, 0, false}, {{}, kTooMuch, true}, {{9}, kWorkspace, true},
};
constexpr int kFallback = 9;

struct Rule {
  int type;
  int64_t count;  // 0: any
  size_t bytes;
};
// What may be set, by kind; all of it must be.
static const std::map<int, std::map<int, Rule>> kRules = {
    {1,
     {{100, {1, 1, 4}},
      {101, {7, 1, 4}},
      {102, {3, 2, 8}},
      {103, {3, 2, 8}},
      {104, {3, 2, 8}},
      {105, {3, 2, 8}},
      {106, {3, 1, 8}}}},
    {4, {{200, {8, 1, 4}}, {201, {15, 1, 8}}}},
    {5, {{400, {0, 1, 8}}, {401, {15, 1, 8}}}},
    {10,
     {{700, {0, 1, 0}}, {701, {0, 1, 0}}, {702, {15, 1, 8}}, {703, {15, 1, 8}}, {704, {15, 1, 8}}, {705, {15, 1, 8}}}},
    {12,
     {{706, {0, 1, 0}}, {707, {0, 1, 0}}, {708, {15, 1, 8}}, {709, {15, 1, 8}}, {710, {15, 1, 8}}, {711, {15, 1, 8}}}},
    {11,
     {{712, {0, 1, 0}}, {713, {0, 1, 0}}, {714, {15, 1, 8}}, {715, {15, 1, 8}}, {716, {15, 1, 8}}, {717, {15, 1, 8}}}},
    {15, {{800, {0, 1, 8}}, {801, {15, 1, 8}}}},
    {16, {{1000, {3, 3, 8}}, {1001, {6, 3, 8}}, {1003, {6, 1, 8}}}},
    {17, {{900, {3, 1, 8}}, {901, {1, 1, 4}}, {902, {3, 4, 8}}, {903, {3, 4, 8}}, {906, {3, 1, 8}}}},
};

// An operation's arrays and convolution, by the role they play there.
struct Operation {
  const Descriptor &convolution, &weight, &x, &y;
  explicit Operation(const Descriptor& o)
      : convolution(o.of(o.kind == 10   ? 702
                         : o.kind == 12 ? 708
                                        : 714)),
        weight(o.of(o.kind == 10   ? 703
                    : o.kind == 12 ? 709
                                   : 715)),
        x(o.of(o.kind == 10   ? 704
               : o.kind == 12 ? 710
                              : 716)),
        y(o.of(o.kind == 10   ? 705
               : o.kind == 12 ? 711
                              : 717)) {}
};

static Status check_tensor(const Descriptor& t) {
  const int64_t *shape = t.all<int64_t>(902), *strides = t.all<int64_t>(903);
  for (int axis = 0; axis < 4; ++axis)
    if (shape[axis] < 1 || strides[axis] < 1) return kBad;
  const int64_t wanted[] = {shape[1] * shape[2] * shape[3], 1, shape[3] * shape[1], shape[1]};
  if (std::memcmp(strides, wanted, sizeof(wanted)) != 0) return kUnsupported;  // not channels-last
  return t.one<int64_t>(900) % (t.one<int>(901) == 1 ? 8 : 4) == 0 ? 0 : kBad;
}

static Status check_operation(const Descriptor& o) {
  const Operation op(o);
  const int type = op.convolution.one<int>(100), first = o.kind == 10 ? 700 : o.kind == 12 ? 706 : 712;
  for (const Descriptor* t : {&op.x, &op.weight, &op.y})
    if (t->kind != 17 || !t->final || t->one<int>(901) != type) return kBad;
  if (op.convolution.kind != 1 || !op.convolution.final || op.convolution.one<int>(101) != 1) return kBad;
  if (op.convolution.one<int64_t>(106) != 2) return kBad;
  for (int scale : {0, 1}) {
    if (o.values.at(first + scale).type != (type == 1 ? 5 : 4)) return kBad;
    if ((type == 1 ? o.one<double>(first + scale) : o.one<float>(first + scale)) != 1 - scale) return kBad;
  }
  const int64_t *x = op.x.all<int64_t>(902), *w = op.weight.all<int64_t>(902), *y = op.y.all<int64_t>(902);
  if (x[0] != y[0] || w[0] != y[1] || x[1] % w[1] != 0 || w[0] % (x[1] / w[1]) != 0) return kBad;
  for (int axis = 0; axis < 2; ++axis) {
    const auto at = [&](int attribute) { return op.convolution.all<int64_t>(attribute)[axis]; };
    if (at(102) < 1 || at(103) < 1 || at(104) < 0 || at(105) < 0) return kBad;
    const int64_t room = x[2 + axis] + at(104) + at(105) - at(102) * (w[2 + axis] - 1) - 1;
    if (room < 0 || room / at(103) + 1 != y[2 + axis]) return kBad;
  }
  return 0;
}

template <class T>
static void convolve(const Descriptor& o, const T* x, const T* w, const T* y) {
  const Operation op(o);
  const int64_t *xs = op.x.all<int64_t>(902), *ws = op.weight.all<int64_t>(902), *ys = op.y.all<int64_t>(902);
  const Descriptor& result = o.kind == 10 ? op.y : o.kind == 12 ? op.x : op.weight;
  T* out = const_cast<T*>(o.kind == 10 ? y : o.kind == 12 ? x : w);
  const int64_t* rs = result.all<int64_t>(902);
  std::vector<double> sums(static_cast<size_t>(rs[0] * rs[1] * rs[2] * rs[3]), 0.0);
  const auto at = [](const Descriptor& t, int64_t n, int64_t c, int64_t h, int64_t v) {
    const int64_t* s = t.all<int64_t>(903);
    return n * s[0] + c * s[1] + h * s[2] + v * s[3];
  };
  const int64_t *dilation = op.convolution.all<int64_t>(102), *stride = op.convolution.all<int64_t>(103),
                *before = op.convolution.all<int64_t>(105), in_group = ws[1], out_group = ws[0] / (xs[1] / ws[1]);
  for (int64_t n = 0; n < ys[0]; ++n)
    for (int64_t k = 0; k < ys[1]; ++k)
      for (int64_t p = 0; p < ys[2]; ++p)
        for (int64_t q = 0; q < ys[3]; ++q)
          for (int64_t r = 0; r < ws[2]; ++r)
            for (int64_t s = 0; s < ws[3]; ++s) {
              const int64_t h = p * stride[0] - before[0] + r * dilation[0];
              const int64_t v = q * stride[1] - before[1] + s * dilation[1];
              if (h < 0 || h >= xs[2] || v < 0 || v >= xs[3]) continue;
              for (int64_t c = 0; c < in_group; ++c) {
                const int64_t ix = at(op.x, n, k / out_group * in_group + c, h, v), iw = at(op.weight, k, c, r, s),
                              iy = at(op.y, n, k, p, q);
                if (o.kind == 10) sums[iy] += static_cast<double>(x[ix]) * w[iw];
                if (o.kind == 12) sums[ix] += static_cast<double>(y[iy]) * w[iw];
                if (o.kind == 11) sums[iw] += static_cast<double>(y[iy]) * x[ix];
              }
            }
  for (size_t i = 0; i < sums.size(); ++i) out[i] = static_cast<T>(sums[i]);
}

extern "C" {
int fake_calls() { return calls; }
int fake_handles() { return handles; }
int fake_engine() { return engine; }
int fake_alive() { return static_cast<int>(alive.size()); }
// The kind of descriptor that cannot be finalized; 1000: execution; 1001: handles.
void fake_refuse(int step) { refused = step; }

size_t cudnnGetVersion() { return 91900; }
void cudnnGetLastErrorString(char* text, size_t bytes) { std::snprintf(text, bytes, "as asked"); }
Status cudnnCreate(void** handle) {
  if (refused == 1001) return 1001;
  return *handle = &handle_memory, ++handles, 0;
}
Status cudnnSetStream(void* handle, void* to) {
  if (handle != &handle_memory) return kBad;
  return stream = to, 0;
}
Status cudnnBackendCreateDescriptor(int kind, void** descriptor) {
  auto* made = new Descriptor;
  made->kind = kind;
  *descriptor = made;
  return alive.insert(*descriptor), 0;
}
Status cudnnBackendDestroyDescriptor(void* descriptor) {
  if (alive.erase(descriptor) != 1) return kBad;
  return delete static_cast<Descriptor*>(descriptor), 0;
}
Status cudnnBackendSetAttribute(void* descriptor, int attribute, int type, int64_t count, const void* values) {
  auto& d = *static_cast<Descriptor*>(descriptor);
  if (d.final || !kRules.count(d.kind) || !kRules.at(d.kind).count(attribute)) return kBad;
  const Rule& rule = kRules.at(d.kind).at(attribute);
  const bool scale = rule.bytes == 0;
  if (scale ? type != 4 && type != 5 : type != rule.type) return kBad;
  if (count != rule.count) return kBad;
  const size_t bytes = count * (scale ? (type == 5 ? 8 : 4) : rule.bytes);
  const char* from = static_cast<const char*>(values);
  d.values[attribute] = {type, count, std::vector<char>(from, from + bytes)};
  if (type == 0 && d.one<void*>(attribute) != &handle_memory) return kBad;
  return type != 15 || (alive.count(d.one<void*>(attribute)) && d.of(attribute).final) ? 0 : kBad;
}
Status cudnnBackendFinalize(void* descriptor) {
  auto& d = *static_cast<Descriptor*>(descriptor);
  if (!kRules.count(d.kind) || d.values.size() != kRules.at(d.kind).size()) return kBad;
  if (refused == d.kind) return kUnsupported;
  Status status = 0;
  if (d.kind == 17) status = check_tensor(d);
  if (d.kind >= 10 && d.kind <= 12) status = check_operation(d);
  if (d.kind == 5) status = kEngines[d.of(401).engine].plans ? 0 : kUnsupported;
  d.final = status == 0;
  return status;
}
Status cudnnBackendGetAttribute(void* descriptor, int attribute, int type, int64_t most, int64_t* count, void* values) {
  auto& d = *static_cast<Descriptor*>(descriptor);
  if (!d.final) return kBad;
  if (d.kind == 4 && attribute == 202 && type == 15) {
    const bool best = d.one<int>(200) == 3;
    if (!best && d.one<int>(200) != 2) return kBad;
    auto** configs = static_cast<Descriptor**>(values);
    *count = best ? kFallback : 1;
    for (int64_t i = 0; i < *count && i < most; ++i) {
      if (configs[i]->kind != 3) return kBad;
      configs[i]->engine = best ? static_cast<int>(i) : kFallback;
      configs[i]->graph = &d.of(201);
      configs[i]->final = true;
    }
    return 0;
  }
  if (d.kind == 3 && attribute == 300 && type == 15 && most == 1) {
    auto& to = **static_cast<Descriptor**>(values);
    if (to.kind != 2) return kBad;
    to.engine = d.engine;
    return to.final = true, *count = 1, 0;
  }
  if (d.kind == 2 && attribute == 1303 && type == 11) {
    const auto& notes = kEngines[d.engine].notes;
    *count = static_cast<int64_t>(notes.size());
    for (int64_t i = 0; i < *count && i < most; ++i) static_cast<int*>(values)[i] = notes[i];
    return 0;
  }
  if (d.kind == 5 && attribute == 402 && type == 3 && most == 1)
    return *static_cast<int64_t*>(values) = kEngines[d.of(401).engine].workspace, *count = 1, 0;
  return kBad;
}
Status cudnnBackendExecute(void* handle, void* plan_, void* pack_) {
  const auto &plan = *static_cast<Descriptor*>(plan_), &pack = *static_cast<Descriptor*>(pack_);
  if (handle != &handle_memory || stream != nullptr || plan.kind != 5 || pack.kind != 16) return kBad;
  if (!plan.final || !pack.final) return kBad;
  if (refused == 1000) return kFailed;
  const Descriptor& config = plan.of(401);
  if (!alive.count(const_cast<Descriptor*>(&config)) || !alive.count(const_cast<Descriptor*>(config.graph)))
    return kBad;
  const Descriptor& operation = config.graph->of(801);
  if (!alive.count(const_cast<Descriptor*>(&operation))) return kBad;
  const Operation op(operation);
  const void* arrays[3] = {};
  int role = 0;
  for (const Descriptor* t : {&op.x, &op.weight, &op.y}) {
    for (int i = 0; i < 3; ++i)
      if (pack.all<int64_t>(1000)[i] == t->one<int64_t>(906)) arrays[role] = pack.all<void*>(1001)[i];
    if (!arrays[role] || reinterpret_cast<uintptr_t>(arrays[role]) % t->one<int64_t>(900) != 0) return kBad;
    ++role;
  }
  engine = config.engine;
  if (const int64_t bytes = kEngines[engine].workspace) {
    if (!pack.one<void*>(1003)) return kBad;
    std::memset(pack.one<void*>(1003), 0xff, static_cast<size_t>(bytes));
  }
  ++calls;
  if (op.x.one<int>(901) == 1)
    convolve(operation, static_cast<const double*>(arrays[0]), static_cast<const double*>(arrays[1]),
             static_cast<const double*>(arrays[2]));
  else
    convolve(operation, static_cast<const float*>(arrays[0]), static_cast<const float*>(arrays[1]),
             static_cast<const float*>(arrays[2]));
  return 0;
}
}
