#include "ops/multiclass_hinge.h"

#include "python/support/loss_arguments.h"

namespace fastnn {
namespace {

py::tuple call_multiclass_hinge(py::handle scores_, py::handle target_, py::handle margin_, py::handle reduction_) {
  constexpr const char* op = "multiclass_hinge";
  const View scores(op, "scores", scores_), target(op, "target", target_);
  const double margin = number_at_least(op, "margin", margin_, 0);
  const Reduction reduction = parse_reduction(op, reduction_);
  scores.need_storage();
  scores.need_rank(2, 2);
  const int64_t n = scores.shape[0], c = scores.shape[1];
  if (target.dtype != Dtype::integer) fail_type(op, "target", "integers (N,)", target.got());
  target.need_shape({n});
  if (c == 0) fail_value(op, "scores", "of one class or more", scores.got());
  if (reduction == Reduction::mean && n == 0)
    fail_value(op, "scores", "of one row or more when reduction is \"mean\"", scores.got());
  return with_storage(scores, [&]<class T>() -> py::tuple {
    const Buffer classes(on_device() ? 0 : n * static_cast<int64_t>(sizeof(int64_t)) + 1);
    if (!on_device()) read_classes(op, target, c, std::nullopt, static_cast<int64_t*>(classes.get()));
    const Dense<T> dense(scores);
    py::array dscores = new_array<T>({n, c});
    py::object losses = py::none();
    MulticlassHingeArgs<T> args{};
    args.n = n, args.c = c;
    args.scores = dense.data();
    args.classes = static_cast<const int64_t*>(classes.get());
    if (on_device()) args.target = integers_of(target);
    args.margin = static_cast<Compute<T>>(margin);
    args.scale = reduction == Reduction::mean ? static_cast<Compute<T>>(1.0 / static_cast<double>(n)) : Compute<T>{1};
    args.dscores = data_of<T>(dscores);
    if (reduction == Reduction::none) {
      py::array rows = new_array<Compute<T>>({n});
      args.losses = data_of<Compute<T>>(rows);
      losses = rows;
    } else if (on_device()) {
      losses = scalar_on_device<Compute<T>>(args.loss);
    }
    args.width = num_threads();
    const Workspace workspace(multiclass_hinge_workspace(args));
    args.workspace = workspace.get();
    double sum = 0;
    without_gil(2 * n * c * static_cast<int64_t>(sizeof(T)), [&] { sum = multiclass_hinge(args); });
    if (!losses.is_none()) return py::make_tuple(losses, dscores);
    return py::make_tuple(py::float_(reduction == Reduction::mean ? sum / static_cast<double>(n) : sum), dscores);
  });
}

}  // namespace

void bind_multiclass_hinge(py::module_& m) { define(m, "multiclass_hinge", &call_multiclass_hinge); }

}  // namespace fastnn
