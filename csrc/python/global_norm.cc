#include "ops/global_norm.h"

#include "python/support/array_lists.h"

namespace fastnn {
namespace {

double call_global_norm(py::handle arrays) {
  const std::vector<View> views = array_list("global_norm", "arrays", arrays);
  for (const View& v : views) {
    v.need_float();
    v.need_like(views[0]);
  }
  if (views.empty()) return 0;
  return with_dtype(views[0], [&]<class T>() {
    // In C order: the bits of the sum must not depend on the strides.
    std::vector<std::unique_ptr<Dense<T>>> dense;
    std::vector<const T*> pointers;
    for (const View& v : views) {
      dense.push_back(std::make_unique<Dense<T>>(v, c_order(v.rank())));
      pointers.push_back(dense.back()->data());
    }
    const ListChunks chunks(views);
    std::vector<double> partial(chunks.chunks.size());
    const GlobalNormArgs<T> args{pointers.data(), chunks.data(),  chunks.count(),
                                 chunks.elements, partial.data(), num_threads()};
    double norm = 0;
    without_gil(args.elements * static_cast<int64_t>(sizeof(T)), [&] { norm = global_norm(args); });
    return norm;
  });
}

}  // namespace

void bind_global_norm(py::module_& m) { define(m, "global_norm", &call_global_norm); }

}  // namespace fastnn
