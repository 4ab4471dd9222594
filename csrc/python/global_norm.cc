#include "ops/global_norm.h"

#include "python/support/array_lists.h"

namespace fastnn {
namespace {

// A float, or on a device, whose results the host does not wait for, an array of no axis.
py::object call_global_norm(py::handle arrays) {
  const std::vector<View> views = array_list("global_norm", "arrays", arrays);
  for (const View& v : views) {
    v.need_float();
    v.need_like(views[0]);
  }
  if (views.empty()) return py::float_(0.0);
  return with_dtype(views[0], [&]<class T>() -> py::object {
    // In C order: the bits of the sum must not depend on the strides.
    std::vector<std::unique_ptr<Dense<T>>> dense;
    std::vector<const T*> pointers;
    for (const View& v : views) {
      dense.push_back(std::make_unique<Dense<T>>(v, c_order(v.rank())));
      pointers.push_back(dense.back()->data());
    }
    const ListChunks chunks(views);
    GlobalNormArgs<T> args{pointers.data(), chunks.data(), chunks.count(), chunks.elements, nullptr, num_threads(), {}};
    const Workspace workspace(global_norm_workspace(args));
    args.workspace = workspace.get();
    py::object result;
    if (on_device()) {
      py::array made = new_array<T>({});
      args.norm = data_of<T>(made);
      result = std::move(made);
    }
    double norm = 0;
    without_gil(args.elements * static_cast<int64_t>(sizeof(T)), [&] { norm = global_norm(args); });
    return result ? result : py::float_(norm);
  });
}

}  // namespace

void bind_global_norm(py::module_& m) { define(m, "global_norm", &call_global_norm); }

}  // namespace fastnn
