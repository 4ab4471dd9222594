#include "ops/softmax.h"

#include "python/support/arguments.h"

namespace fastnn {
namespace {

int axis_argument(const char* op, py::handle value, const View& x) {
  const int rank = x.rank();
  x.need_rank(1);
  const int64_t axis = integer(op, "axis", value, -rank);
  if (axis >= rank)
    fail_value(op, "axis", "an integer in [" + std::to_string(-rank) + ", " + std::to_string(rank - 1) + "]",
               describe(value));
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

py::array run(const char* op, bool log, const View& in, const View* dy, py::handle axis_) {
  in.need_storage();
  const int axis = axis_argument(op, axis_, in);
  return with_storage(in, [&]<class T>() -> py::array {
    const Order order = own_order(in);
    SoftmaxArgs<T> args{};
    args.log = log;
    args.outer = args.inner = 1;
    bool before = true;
    for (int i : order) {
      if (i == axis)
        before = false;
      else
        (before ? args.outer : args.inner) *= in.shape[i];
    }
    args.length = in.shape[axis];
    const Dense<T> dense(in, order);
    std::optional<Dense<T>> dense_dy;
    if (dy) dense_dy.emplace(*dy, order);
    py::array out = new_array<T>(in.shape, order);
    if (in.size() == 0) return out;
    args.dy = dy ? dense_dy->data() : nullptr;
    args.in = dense.data();
    args.out = data_of<T>(out);
    args.width = num_threads();
    const Workspace workspace(softmax_workspace(args));
    args.workspace = workspace.get();
    without_gil(4 * in.size() * static_cast<int64_t>(sizeof(T)), [&] { softmax(args); });
    return out;
  });
}

template <bool log>
void bind_one(py::module_& m, const char* name, const char* backward_name) {
  define(m, name, [name](py::handle x, py::handle axis) { return run(name, log, View(name, "x", x), nullptr, axis); });
  define(m, backward_name, [backward_name](py::handle dy_, py::handle y_, py::handle axis) {
    const View y(backward_name, "y", y_), dy(backward_name, "dy", dy_);
    y.need_storage();
    dy.need_like(y);
    dy.need_shape(y.shape);
    return run(backward_name, log, y, &dy, axis);
  });
}

}  // namespace

void bind_softmax(py::module_& m) {
  bind_one<false>(m, "softmax", "softmax_backward");
  bind_one<true>(m, "log_softmax", "log_softmax_backward");
}

}  // namespace fastnn
