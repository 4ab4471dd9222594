// A piece of one array of a list: elements [begin, begin + count) of array `index`.
#pragma once

#include <cstdint>

namespace fastnn {

struct ListChunk {
  int64_t index, begin, count;
};

}  // namespace fastnn
