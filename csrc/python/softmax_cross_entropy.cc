#include "ops/softmax_cross_entropy.h"

#include <limits>

#include "python/support/loss_arguments.h"

namespace fastnn {
namespace {

constexpr const char* op = "softmax_cross_entropy";

py::tuple loss_and_gradient(py::handle logits_, py::handle target_, py::handle smoothing_, py::handle reduction_,
                            py::handle weight_, py::handle ignore_index_) {
  const View logits(op, "logits", logits_), target(op, "target", target_);
  const auto weight = optional_view(op, "weight", weight_);
  const double smoothing = number_in(op, "label_smoothing", smoothing_, 0, 1);
  const Reduction reduction = parse_reduction(op, reduction_);
  const int64_t ignore_index = integer(op, "ignore_index", ignore_index_, std::numeric_limits<int64_t>::min());
  logits.need_storage();
  logits.need_rank(2, 2);
  const int64_t n = logits.shape[0], c = logits.shape[1];
  if (c == 0) fail_value(op, "logits", "of one class or more", logits.got());
  const bool hard = target.dtype == Dtype::integer;
  if (hard && target.rank() == 1) {
    target.need_shape({n});
  } else {
    if (target.dtype != logits.dtype)
      fail_type(op, "target", logits.dtype_name() + " (N, C) like logits or integers (N,)", target.got());
    target.need_shape({n, c});
  }
  return with_storage(logits, [&]<class T>() -> py::tuple {
    SoftmaxCrossEntropyArgs<T> a{};
    a.n = n, a.c = c;
    std::optional<Dense<Compute<T>>> dense_weight;
    std::optional<Dense<T>> distribution;
    if (weight) {
      weight->need_parameter(logits);
      weight->need_shape({c});
      dense_weight.emplace(*weight);
      a.weight = dense_weight->data();
      for (int64_t k = 0; !on_device() && k < c; ++k)
        if (!(a.weight[k] >= 0 && a.weight[k] <= std::numeric_limits<Compute<T>>::max()))
          fail_value(op, "weight", "finite and not negative", std::to_string(a.weight[k]));
    }
    const Buffer class_buffer(hard && !on_device() ? n * static_cast<int64_t>(sizeof(int64_t)) + 1 : 0);
    double total = static_cast<double>(n);
    if (hard && on_device()) {
      a.target = integers_of(target), a.ignore_index = ignore_index;
      a.mean = reduction == Reduction::mean;
    } else if (hard) {
      int64_t* classes = static_cast<int64_t*>(class_buffer.get());
      total = static_cast<double>(read_classes(op, target, c, ignore_index, classes));
      if (weight) {
        total = 0;
        for (int64_t i = 0; i < n; ++i) total += classes[i] < 0 ? 0 : a.weight[classes[i]];
      }
      a.classes = classes;
    } else {
      distribution.emplace(target);
      a.distribution = distribution->data();
    }
    if (reduction == Reduction::mean && total == 0)
      fail_value(op, "target", "of more than zero total weight when reduction is \"mean\"", target.got());

    const Dense<T> dense_logits(logits);
    py::array dlogits = new_array<T>({n, c});
    py::object losses = py::none();
    a.logits = dense_logits.data();
    a.on = static_cast<Compute<T>>(1 - smoothing), a.off = static_cast<Compute<T>>(smoothing / static_cast<double>(c));
    a.scale = reduction == Reduction::mean ? static_cast<Compute<T>>(1 / total) : Compute<T>{1};
    a.dlogits = data_of<T>(dlogits);
    if (reduction == Reduction::none) {
      py::array rows = new_array<Compute<T>>({n});
      a.losses = data_of<Compute<T>>(rows);
      losses = rows;
    } else if (on_device()) {
      losses = scalar_on_device<Compute<T>>(a.loss);
    }
    a.width = num_threads();
    const Workspace workspace(softmax_cross_entropy_workspace(a));
    a.workspace = workspace.get();
    double sum = 0;
    without_gil(4 * n * c * static_cast<int64_t>(sizeof(T)), [&] { sum = softmax_cross_entropy(a); });
    if (!losses.is_none()) return py::make_tuple(losses, dlogits);
    return py::make_tuple(py::float_(reduction == Reduction::mean ? sum / total : sum), dlogits);
  });
}

}  // namespace

void bind_softmax_cross_entropy(py::module_& m) { define(m, "softmax_cross_entropy", &loss_and_gradient); }

}  // namespace fastnn
