#include "ops/elementwise_losses.h"

#include "python/support/loss_arguments.h"

namespace fastnn {
namespace {

struct Options {
  ElementwiseLoss kind;
  double delta = 0;
};

// A view of `view` repeated along the axes that it lacks or has one entry of, as NumPy broadcasts.
View broadcast(const View& view, const View& like) {
  View wide = view;
  wide.shape = like.shape;
  wide.strides = Shape(like.rank());
  const int missing = like.rank() - view.rank();
  for (int i = 0; i < like.rank(); ++i) {
    const int own = i - missing;
    if (own >= 0 && view.shape[own] != 1 && view.shape[own] != like.shape[i])
      fail_value(view.op, view.name(), "broadcastable to " + to_string(like.shape), view.got());
    wide.strides[i] = own < 0 || view.shape[own] == 1 ? 0 : view.strides[own];
  }
  if (missing < 0) fail_value(view.op, view.name(), "broadcastable to " + to_string(like.shape), view.got());
  return wide;
}

py::tuple run(const char* op, const Options& options, const View& x, const View& target, const Reduction reduction,
              const std::optional<View>& weight, const std::optional<View>& pos_weight) {
  x.need_storage();
  target.need_like(x);
  target.need_shape(x.shape);
  for (const auto* w : {&weight, &pos_weight})
    if (*w) (*w)->need_like(x);
  const int64_t n = x.size();
  if (reduction == Reduction::mean && n == 0)
    fail_value(op, x.name(), "of one value or more when reduction is \"mean\"", x.got());
  return with_storage(x, [&]<class T>() -> py::tuple {
    // One order for all layouts: the sum of the losses must not depend on the strides.
    const Dense<T> dense_x(x), dense_target(target);
    std::optional<Dense<T>> weights, pos_weights;
    if (weight) weights.emplace(broadcast(*weight, x));
    if (pos_weight) pos_weights.emplace(broadcast(*pos_weight, x));
    py::array dx = new_array<T>(x.shape);
    py::object losses = py::none();
    ElementwiseLossArgs<T> args{};
    args.kind = options.kind;
    args.n = n;
    args.x = dense_x.data(), args.target = dense_target.data();
    args.weight = weight ? weights->data() : nullptr;
    args.pos_weight = pos_weight ? pos_weights->data() : nullptr;
    args.delta = static_cast<Compute<T>>(options.delta);
    args.scale = reduction == Reduction::mean ? static_cast<Compute<T>>(1.0 / static_cast<double>(n)) : Compute<T>{1};
    args.dx = data_of<T>(dx);
    if (reduction == Reduction::none) {
      py::array each = new_array<Compute<T>>(x.shape);
      args.losses = data_of<Compute<T>>(each);
      losses = each;
    } else if (on_device()) {
      losses = scalar_on_device<Compute<T>>(args.loss);
    }
    args.width = num_threads();
    const Workspace workspace(elementwise_loss_workspace(args));
    args.workspace = workspace.get();
    double sum = 0;
    without_gil(3 * n * static_cast<int64_t>(sizeof(T)), [&] { sum = elementwise_loss(args); });
    if (!losses.is_none()) return py::make_tuple(losses, dx);
    return py::make_tuple(py::float_(reduction == Reduction::mean ? sum / static_cast<double>(n) : sum), dx);
  });
}

py::tuple run_plain(const char* op, const Options& options, py::handle x, py::handle target, py::handle reduction) {
  return run(op, options, View(op, "x", x), View(op, "target", target), parse_reduction(op, reduction), std::nullopt,
             std::nullopt);
}

}  // namespace

void bind_elementwise_losses(py::module_& m) {
  define(m, "mse_loss", [](py::handle x, py::handle target, py::handle reduction) {
    return run_plain("mse_loss", {ElementwiseLoss::mse}, x, target, reduction);
  });
  define(m, "l1_loss", [](py::handle x, py::handle target, py::handle reduction) {
    return run_plain("l1_loss", {ElementwiseLoss::l1}, x, target, reduction);
  });
  define(m, "huber_loss", [](py::handle x, py::handle target, py::handle delta_, py::handle reduction) {
    const double delta = number("huber_loss", "delta", delta_);
    if (!(delta > 0)) fail_value("huber_loss", "delta", "above 0", describe(delta_));
    return run_plain("huber_loss", {ElementwiseLoss::huber, delta}, x, target, reduction);
  });
  define(m, "binary_cross_entropy_with_logits",
         [](py::handle logits, py::handle target, py::handle pos_weight, py::handle weight, py::handle reduction) {
           constexpr const char* op = "binary_cross_entropy_with_logits";
           return run(op, {ElementwiseLoss::bce_with_logits}, View(op, "logits", logits), View(op, "target", target),
                      parse_reduction(op, reduction), optional_view(op, "weight", weight),
                      optional_view(op, "pos_weight", pos_weight));
         });
}

}  // namespace fastnn
