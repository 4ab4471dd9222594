// Integers of any dtype along one axis, at any alignment: class labels as users have them.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace fastnn {

struct Integers {
  const char* data;  // null: none
  int64_t stride;    // in bytes
  int bytes;
  bool is_signed;

  // Beyond int64 is beyond any number of classes.
  FASTNN_HOST_DEVICE int64_t operator[](int64_t i) const {
    const char* p = data + i * stride;
    switch (bytes) {
      case 1:
        return is_signed ? read<int8_t>(p) : read<uint8_t>(p);
      case 2:
        return is_signed ? read<int16_t>(p) : read<uint16_t>(p);
      case 4:
        return is_signed ? read<int32_t>(p) : read<uint32_t>(p);
      default:
        const int64_t value = read<int64_t>(p);
        return is_signed || value >= 0 ? value : INT64_MAX;
    }
  }

 private:
  template <class Source>
  FASTNN_HOST_DEVICE static int64_t read(const char* p) {
    Source value;
    __builtin_memcpy(&value, p, sizeof value);
    return static_cast<int64_t>(value);
  }
};

}  // namespace fastnn
