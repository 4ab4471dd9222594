// Arguments that are one array or a list of arrays, and the chunks in which kernels take them.
#pragma once

#include <algorithm>

#include "core/list_chunk.h"
#include "python/support/arrays.h"

namespace fastnn {

inline std::vector<View> array_list(const char* op, const char* name, py::handle value) {
  std::vector<View> views;
  if (py::isinstance<py::list>(value) || py::isinstance<py::tuple>(value)) {
    int i = 0;
    for (py::handle item : value) views.emplace_back(op, name, item, i++);
  } else {
    views.emplace_back(op, name, value);
  }
  return views;
}

struct ListChunks {
  // 64 KB of float32: enough to hide the change from one array to the next.
  static constexpr int64_t kMost = 16384;
  std::vector<ListChunk> chunks;
  int64_t elements = 0;

  explicit ListChunks(const std::vector<View>& views) {
    for (size_t i = 0; i < views.size(); ++i) {
      const int64_t n = views[i].size();
      for (int64_t begin = 0; begin < n; begin += kMost)
        chunks.push_back({static_cast<int64_t>(i), begin, std::min(kMost, n - begin)});
      elements += n;
    }
  }
  const ListChunk* data() const { return chunks.data(); }
  int64_t count() const { return static_cast<int64_t>(chunks.size()); }
};

}  // namespace fastnn
