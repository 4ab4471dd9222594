#include "ops/group_norm.h"

#include <algorithm>

#include "python/support/activation_argument.h"
#include "python/support/arguments.h"
#include "python/support/kept_arrays.h"

namespace fastnn {
namespace {

// What the backward pass needs. The arrays are dense in the channels-last order.
struct GroupNormSaved {
  const char* op;
  Shape shape;
  int64_t groups;
  py::array x, y, mean, mean_low, rstd;
  py::object weight, bias;  // arrays (C,) or None
  bool use_input_stats, has_residual;
  Activation activation;

  int64_t rows() const {
    int64_t n = 1;
    for (int i = 2; i < shape.size(); ++i) n *= shape[i];
    return n;
  }
};

// The arguments that both ops share; statistics and options are filled in by each.
struct Inputs {
  View x;
  std::optional<View> weight, bias, residual;
  double eps;
  Activation activation;

  Inputs(const char* op, py::handle x_, py::handle weight_, py::handle bias_, py::handle eps_, py::handle activation_,
         py::handle residual_, int rank)
      : x(op, "x", x_),
        weight(optional_view(op, "weight", weight_)),
        bias(optional_view(op, "bias", bias_)),
        residual(optional_view(op, "residual", residual_)),
        eps(number_at_least(op, "eps", eps_, 0)),
        activation(parse_activation(op, activation_)) {
    x.need_storage();
    x.need_rank(rank);
    for (const auto* v : {&weight, &bias})
      if (*v) {
        (*v)->need_parameter(x);
        (*v)->need_shape({x.shape[1]});
      }
    if (residual) {
      residual->need_like(x);
      residual->need_shape(x.shape);
    }
  }
};

template <class T>
py::tuple normalise(const char* op, const Inputs& in, GroupNormArgs<T> a) {
  const View& x = in.x;
  GroupNormSaved saved{};
  saved.op = op;
  saved.shape = x.shape;
  saved.groups = a.groups;
  saved.x = dense_array<T>(x);
  saved.weight = dense_or_none<Compute<T>>(in.weight), saved.bias = dense_or_none<Compute<T>>(in.bias);
  saved.use_input_stats = a.use_input_stats, saved.has_residual = in.residual.has_value();
  saved.activation = in.activation;
  saved.mean = new_array<Compute<T>>({x.shape[0], a.groups});
  saved.mean_low = new_array<Compute<T>>({x.shape[0], a.groups});
  saved.rstd = new_array<Compute<T>>({x.shape[0], a.groups});
  saved.y = new_array<T>(x.shape);
  std::optional<Dense<T>> residual;
  if (in.residual) residual.emplace(*in.residual);
  a.images = x.shape[0], a.rows = saved.rows(), a.channels = x.shape[1];
  a.x = static_cast<const T*>(saved.x.data());
  a.residual = residual ? residual->data() : nullptr;
  a.weight = data_or_null<Compute<T>>(saved.weight), a.bias = data_or_null<Compute<T>>(saved.bias);
  a.eps = in.eps;
  a.activation = in.activation, a.activation_parameter = static_cast<Compute<T>>(fused_parameter(in.activation));
  a.y = data_of<T>(saved.y), a.mean = data_of<Compute<T>>(saved.mean), a.mean_low = data_of<Compute<T>>(saved.mean_low);
  a.rstd = data_of<Compute<T>>(saved.rstd);
  a.width = num_threads();
  if (x.size() > 0) {
    const Workspace workspace(group_norm_workspace(a));
    a.workspace = workspace.get();
    without_gil(3 * x.size() * static_cast<int64_t>(sizeof(T)), [&] { group_norm_forward(a); });
  }
  py::array y = saved.y;
  return py::make_tuple(y, std::move(saved));
}

py::tuple call_group_norm(py::handle x_, py::handle num_groups, py::handle weight, py::handle bias, py::handle eps,
                          py::handle activation, py::handle residual) {
  constexpr const char* op = "group_norm";
  const int64_t groups = integer(op, "num_groups", num_groups, 1);
  const Inputs in(op, x_, weight, bias, eps, activation, residual, 2);
  if (in.x.shape[1] % groups)
    fail_value(op, "num_groups", "a divisor of the " + std::to_string(in.x.shape[1]) + " channels of x",
               std::to_string(groups));
  return with_storage(in.x, [&]<class T>() -> py::tuple {
    GroupNormArgs<T> a{};
    a.groups = groups, a.use_input_stats = true;
    return normalise(op, in, a);
  });
}

py::tuple call_instance_norm(py::handle x_, py::handle running_mean_, py::handle running_var_, py::handle weight,
                             py::handle bias, py::handle use_input_stats_, py::handle momentum_, py::handle eps,
                             py::handle activation, py::handle residual) {
  constexpr const char* op = "instance_norm";
  const bool use_input_stats = boolean(op, "use_input_stats", use_input_stats_);
  const double momentum = number_in(op, "momentum", momentum_, 0, 1);
  const Inputs in(op, x_, weight, bias, eps, activation, residual, 3);
  const auto mean = optional_view(op, "running_mean", running_mean_),
             var = optional_view(op, "running_var", running_var_);
  for (const auto* v : {&mean, &var})
    if (*v) {
      (*v)->need_parameter(in.x);
      (*v)->need_shape({in.x.shape[1]});
    }
  if (use_input_stats) {
    int64_t values = 1;
    for (int i = 2; i < in.x.rank(); ++i) values *= in.x.shape[i];
    if (values < 2) fail_value(op, "x", "of more than one value per channel and image", in.x.got());
    for (const auto* v : {&mean, &var})
      if (*v) {
        need_updatable(**v);
        for (const auto* other : {&in.weight, &in.bias, &in.residual})
          if (*other) need_disjoint(**v, **other);
        need_disjoint(**v, in.x);
      }
    if (mean && var) need_disjoint(*mean, *var);
  } else if (!mean || !var) {
    fail_value(op, mean ? "running_var" : "running_mean", "an array when use_input_stats is False", "None");
  }
  return with_storage(in.x, [&]<class T>() -> py::tuple {
    // The kernel works on dense running statistics; strided ones, on the CPU, are written back afterwards.
    const py::object dense_mean = dense_or_none<Compute<T>>(mean), dense_var = dense_or_none<Compute<T>>(var);
    GroupNormArgs<T> a{};
    a.groups = in.x.shape[1], a.use_input_stats = use_input_stats, a.momentum = momentum;
    a.running_mean = const_cast<Compute<T>*>(data_or_null<Compute<T>>(dense_mean));
    a.running_var = const_cast<Compute<T>*>(data_or_null<Compute<T>>(dense_var));
    py::tuple result = normalise(op, in, a);
    if (use_input_stats && in.x.size() > 0) {
      if (mean && !dense_mean.is(mean->owner)) mean->owner[py::ellipsis()] = dense_mean;
      if (var && !dense_var.is(var->owner)) var->owner[py::ellipsis()] = dense_var;
    }
    return result;
  });
}

py::tuple gradients(const char* op, const char* forward, py::handle dy_, py::handle saved_) {
  const std::string need = std::string("what ") + forward + " returned";
  if (!py::isinstance<GroupNormSaved>(saved_)) fail_type(op, "saved", need, describe(saved_));
  const auto& saved = saved_.cast<const GroupNormSaved&>();
  if (std::string(saved.op) != forward) fail_type(op, "saved", need, std::string("that of ") + saved.op);
  const View dy(op, "dy", dy_), x(op, "x", saved.x);
  dy.need_like(x);
  dy.need_shape(saved.shape);
  return with_storage(dy, [&]<class T>() -> py::tuple {
    const Dense<T> dense_dy(dy);
    py::array dx = new_array<T>(saved.shape);
    GroupNormBackwardArgs<T> a{};
    const py::object dweight = new_like<Compute<T>>(saved.weight, a.dweight),
                     dbias = new_like<Compute<T>>(saved.bias, a.dbias);
    py::object dresidual = py::none();
    if (saved.has_residual) {
      if (saved.activation == Activation::none) {
        dresidual = dy.owner;  // the sum hands its gradient on as it is
      } else {
        py::array result = new_array<T>(saved.shape);
        a.dresidual = data_of<T>(result);
        dresidual = result;
      }
    }
    a.images = saved.shape[0], a.rows = saved.rows(), a.channels = saved.shape[1], a.groups = saved.groups;
    a.dy = dense_dy.data();
    a.x = static_cast<const T*>(saved.x.data()), a.y = static_cast<const T*>(saved.y.data());
    a.weight = data_or_null<Compute<T>>(saved.weight), a.bias = data_or_null<Compute<T>>(saved.bias);
    a.mean = static_cast<const Compute<T>*>(saved.mean.data()),
    a.rstd = static_cast<const Compute<T>*>(saved.rstd.data());
    a.mean_low = static_cast<const Compute<T>*>(saved.mean_low.data());
    a.use_input_stats = saved.use_input_stats, a.has_residual = saved.has_residual;
    a.activation = saved.activation,
    a.activation_parameter = static_cast<Compute<T>>(fused_parameter(saved.activation));
    a.dx = data_of<T>(dx);
    a.width = num_threads();
    if (a.rows * a.channels > 0 || (on_device() && a.channels > 0)) {
      const Workspace workspace(group_norm_backward_workspace(a));
      a.workspace = workspace.get();
      without_gil(4 * dy.size() * static_cast<int64_t>(sizeof(T)), [&] { group_norm_backward(a); });
    } else {
      for (Compute<T>* p : {a.dweight, a.dbias})
        if (p) std::fill_n(p, a.channels, Compute<T>{0});
    }
    if (saved.has_residual) return py::make_tuple(dx, dweight, dbias, dresidual);
    return py::make_tuple(dx, dweight, dbias);
  });
}

}  // namespace

void bind_group_norm(py::module_& m) {
  py::class_<GroupNormSaved>(m, "GroupNormSaved", "What the backward pass of group or instance_norm needs.");
  define(m, "group_norm", &call_group_norm);
  define(m, "group_norm_backward",
         [](py::handle dy, py::handle saved) { return gradients("group_norm_backward", "group_norm", dy, saved); });
  define(m, "instance_norm", &call_instance_norm);
  define(m, "instance_norm_backward", [](py::handle dy, py::handle saved) {
    return gradients("instance_norm_backward", "instance_norm", dy, saved);
  });
}

}  // namespace fastnn
