// The real cuDNN without a device: everything up to the plan goes to it, for the card that a JSON text describes, as
// its ahead-of-time compilation allows; what would need the device (handles, execution) is counted here.
#include <dlfcn.h>

#include <cstdint>
#include <cstring>
#include <vector>

using Status = int;
struct Descriptor {
  int kind;
  void* real;
};
static int handle_memory;
static int64_t executed[4];  // how many; of the last: its engine, workspace and notes as bits
static void *library, *device;

template <class R = Status, class... A>
static R real(const char* name, A... arguments) {
  return reinterpret_cast<R (*)(A...)>(dlsym(library, name))(arguments...);
}
static Status set(void* d, int attribute, int type, int64_t count, const void* values) {
  return real("cudnnBackendSetAttribute", d, attribute, type, count, values);
}
static Status get(void* d, int attribute, int type, int64_t most, int64_t* count, void* values) {
  return real("cudnnBackendGetAttribute", d, attribute, type, most, count, values);
}
static std::vector<void*> unwrapped(const void* values, int64_t count) {
  std::vector<void*> found;
  for (int64_t i = 0; i < count; ++i) found.push_back((*(static_cast<Descriptor* const*>(values) + i))->real);
  return found;
}
static void* last_config;  // of a plan

extern "C" {
// The real library's path, and a card's properties as cuDNN writes them.
Status planned_open(const char* path, const char* json) {
  library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) return -1;
  Status status = real("cudnnBackendCreateDescriptor", 38, &device);
  if (status == 0) status = set(device, 2702, 24, static_cast<int64_t>(std::strlen(json)) + 1, json);
  return status == 0 ? real("cudnnBackendFinalize", device) : status;
}
const int64_t* planned_executed() { return executed; }

size_t cudnnGetVersion() { return real<size_t>("cudnnGetVersion"); }
void cudnnGetLastErrorString(char* text, size_t bytes) { real<void>("cudnnGetLastErrorString", text, bytes); }
Status cudnnCreate(void** handle) { return *handle = &handle_memory, 0; }
Status cudnnSetStream(void*, void*) { return 0; }
Status cudnnBackendCreateDescriptor(int kind, void** descriptor) {
  auto* made = new Descriptor{kind, nullptr};
  *descriptor = made;
  return real("cudnnBackendCreateDescriptor", kind, &made->real);
}
Status cudnnBackendDestroyDescriptor(void* descriptor) {
  auto* d = static_cast<Descriptor*>(descriptor);
  const Status status = real("cudnnBackendDestroyDescriptor", d->real);
  return delete d, status;
}
Status cudnnBackendSetAttribute(void* descriptor, int attribute, int type, int64_t count, const void* values) {
  auto* d = static_cast<Descriptor*>(descriptor);
  if (type == 0) return 0;  // handles
  if (type != 15) return set(d->real, attribute, type, count, values);
  const std::vector<void*> objects = unwrapped(values, count);
  if (d->kind == 5) last_config = objects[0];
  return set(d->real, attribute, type, count, objects.data());
}
Status cudnnBackendFinalize(void* descriptor) {
  auto* d = static_cast<Descriptor*>(descriptor);
  Status status = 0;
  if (d->kind == 4 || d->kind == 5) status = set(d->real, d->kind == 4 ? 204 : 407, 15, 1, &device);
  return status == 0 ? real("cudnnBackendFinalize", d->real) : status;
}
Status cudnnBackendGetAttribute(void* descriptor, int attribute, int type, int64_t most, int64_t* count, void* values) {
  auto* d = static_cast<Descriptor*>(descriptor);
  if (type != 15) return get(d->real, attribute, type, most, count, values);
  std::vector<void*> objects = unwrapped(values, most);
  return get(d->real, attribute, type, most, count, objects.data());
}
Status cudnnBackendExecute(void* handle, void* plan_, void* pack_) {
  auto* plan = static_cast<Descriptor*>(plan_);
  int64_t count = 0, engine_index = -1;
  void* engine = nullptr;
  int notes[32];
  Status status = handle != &handle_memory || static_cast<Descriptor*>(pack_)->kind != 16 || !last_config;
  status |= get(plan->real, 402, 3, 1, &count, &executed[2]);
  status |= real("cudnnBackendCreateDescriptor", 2, &engine);
  status |= get(last_config, 300, 15, 1, &count, &engine) | get(engine, 1301, 3, 1, &count, &engine_index);
  status |= get(engine, 1303, 11, 32, &count, notes);
  if (status != 0) return 5000;
  ++executed[0];
  executed[1] = engine_index;
  executed[3] = 0;
  for (int64_t i = 0; i < count; ++i) executed[3] |= int64_t{1} << notes[i];
  return real("cudnnBackendDestroyDescriptor", engine);
}
}
