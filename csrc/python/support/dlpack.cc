#include "python/support/dlpack.h"

#include <cstdint>
#include <cstring>

namespace fastnn {
namespace {

// The structures of DLPack 1: https://dmlc.github.io/dlpack/latest/c_api.html
struct Tensor {
  void* data;
  int32_t device_type, device;
  int32_t rank;
  uint8_t code, bits;
  uint16_t lanes;
  int64_t *shape, *strides;  // in elements; null: C order
  uint64_t byte_offset;
};
struct Managed {
  Tensor tensor;
  void* context;
  void (*deleter)(Managed*);
};
struct Versioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(Versioned*);
  uint64_t flags;
  Tensor tensor;
};
constexpr uint64_t kReadOnly = 1;

std::string dtype_of(const Tensor& t) {
  const std::string bytes = std::to_string(t.bits / 8);
  constexpr int kInteger = 0, kUnsigned = 1, kFloat = 2, kBfloat = 4, kBool = 6;
  if (t.lanes == 1 && t.bits % 8 == 0) switch (t.code) {
      case kInteger:
        return "i" + bytes;
      case kUnsigned:
        return "u" + bytes;
      case kFloat:
        if (t.bits >= 16) return "f" + bytes;
        break;
      case kBfloat:
        return "V" + bytes;
      case kBool:
        return "b" + bytes;
    }
  throw py::type_error("an array of DLPack's type code " + std::to_string(t.code) + " with " + std::to_string(t.lanes) +
                       " x " + std::to_string(t.bits) + " bits is of no use here");
}

}  // namespace

DlpackMemory read_dlpack(const py::capsule& capsule) {
  const char* name = capsule.name();
  const Tensor* t = nullptr;
  bool writable = true;
  if (name && std::strcmp(name, "dltensor_versioned") == 0) {
    const auto* managed = capsule.get_pointer<Versioned>();
    if (managed->major != 1) throw py::value_error("DLPack " + std::to_string(managed->major) + " is not known");
    t = &managed->tensor;
    writable = !(managed->flags & kReadOnly);
  } else if (name && std::strcmp(name, "dltensor") == 0) {
    t = &capsule.get_pointer<Managed>()->tensor;
  } else {
    throw py::type_error("__dlpack__ must return a new capsule of DLPack");
  }
  DlpackMemory memory{dtype_of(*t), py::tuple(t->rank), py::tuple(t->rank), 0, writable};
  int64_t dense = t->bits / 8;
  for (int i = t->rank - 1; i >= 0; --i) {
    memory.shape[static_cast<size_t>(i)] = t->shape[i];
    memory.strides[static_cast<size_t>(i)] = t->strides ? t->strides[i] * (t->bits / 8) : dense;
    dense *= t->shape[i];
  }
  memory.pointer = reinterpret_cast<uintptr_t>(t->data) + t->byte_offset;
  return memory;
}

}  // namespace fastnn
