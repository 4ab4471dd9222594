#include "ops/batch_norm.h"

#include "python/support/activation_argument.h"
#include "python/support/arguments.h"
#include "python/support/kept_arrays.h"

namespace fastnn {
namespace {

// What the backward pass needs. The arrays are dense in the channels-last order.
struct BatchNormSaved {
  Shape shape;
  Dtype dtype;
  py::array x, y, mean, rstd;
  py::object weight, bias;        // arrays (C,) in C order, or None
  std::shared_ptr<Buffer> signs;  // of y, in the order of the kernels of `isa`; or null
  Isa isa;
  bool training, has_residual;
  Activation activation;
};

py::tuple call_batch_norm(py::handle x_, py::handle running_mean_, py::handle running_var_, py::handle weight_,
                          py::handle bias_, py::handle training_, py::handle momentum_, py::handle eps_,
                          py::handle activation_, py::handle residual_) {
  constexpr const char* op = "batch_norm";
  const View x(op, "x", x_);
  const auto running_mean = optional_view(op, "running_mean", running_mean_);
  const auto running_var = optional_view(op, "running_var", running_var_);
  const auto weight = optional_view(op, "weight", weight_), bias = optional_view(op, "bias", bias_);
  const auto residual = optional_view(op, "residual", residual_);
  const bool training = boolean(op, "training", training_);
  const double momentum = number_in(op, "momentum", momentum_, 0, 1), eps = number_at_least(op, "eps", eps_, 0);
  const Activation activation = parse_activation(op, activation_);
  x.need_storage();
  x.need_rank(2);
  const int64_t channels = x.shape[1], rows = channels ? x.size() / channels : 0;
  for (const auto* v : {&running_mean, &running_var, &weight, &bias})
    if (*v) {
      (*v)->need_parameter(x);
      (*v)->need_shape({channels});
    }
  if (residual) {
    residual->need_like(x);
    residual->need_shape(x.shape);
  }
  if (training) {
    if (rows < 2 && channels > 0)
      fail_value(op, "x",
                 "of more than one value per channel in training (drop the last batch, or normalise over groups)",
                 x.got());
    for (const auto* v : {&running_mean, &running_var})
      if (*v) {
        need_updatable(**v);
        for (const auto* other : {&weight, &bias, &residual})
          if (*other) need_disjoint(**v, **other);
        need_disjoint(**v, x);
      }
    if (running_mean && running_var) need_disjoint(*running_mean, *running_var);
  } else if (!running_mean || !running_var) {
    fail_value(op, running_mean ? "running_var" : "running_mean", "an array when training is False", "None");
  }

  return with_storage(x, [&]<class T>() -> py::tuple {
    BatchNormSaved saved{};
    saved.shape = x.shape;
    saved.dtype = x.dtype;
    saved.x = dense_array<T>(x);
    saved.weight = dense_or_none<Compute<T>>(weight);
    saved.bias = dense_or_none<Compute<T>>(bias);
    saved.training = training;
    saved.has_residual = residual.has_value();
    saved.activation = activation;
    saved.mean = new_array<Compute<T>>({channels});
    saved.rstd = new_array<Compute<T>>({channels});
    saved.y = new_array<T>(x.shape);
    // The kernel works on dense running statistics; strided ones, on the CPU, are written back afterwards.
    const py::object mean = dense_or_none<Compute<T>>(running_mean), var = dense_or_none<Compute<T>>(running_var);
    std::optional<Dense<T>> dense_residual;
    if (residual) dense_residual.emplace(*residual);
    BatchNormArgs<T> a{};
    a.rows = rows, a.channels = channels;
    a.x = static_cast<const T*>(saved.x.data());
    a.residual = residual ? dense_residual->data() : nullptr;
    a.weight = data_or_null<Compute<T>>(saved.weight), a.bias = data_or_null<Compute<T>>(saved.bias);
    a.running_mean = const_cast<Compute<T>*>(data_or_null<Compute<T>>(mean));
    a.running_var = const_cast<Compute<T>*>(data_or_null<Compute<T>>(var));
    a.training = training, a.momentum = momentum, a.eps = eps;
    a.activation = activation, a.activation_parameter = static_cast<Compute<T>>(fused_parameter(activation));
    a.y = data_of<T>(saved.y), a.mean = data_of<Compute<T>>(saved.mean), a.rstd = data_of<Compute<T>>(saved.rstd);
    a.width = num_threads();
    saved.isa = active_isa();
    if (const int64_t bytes = batch_norm_signs(a)) {
      saved.signs = std::make_shared<Buffer>(bytes);
      a.signs = saved.signs->get();
    }
    if (rows > 0 || !training) {
      const Workspace workspace(batch_norm_workspace(a));
      a.workspace = workspace.get();
      without_gil(3 * rows * channels * static_cast<int64_t>(sizeof(T)), [&] { batch_norm_forward(a); });
      if (training) {
        if (running_mean && !mean.is(running_mean->owner)) running_mean->owner[py::ellipsis()] = mean;
        if (running_var && !var.is(running_var->owner)) running_var->owner[py::ellipsis()] = var;
      }
    }
    py::array y = saved.y;
    return py::make_tuple(y, std::move(saved));
  });
}

py::tuple call_batch_norm_backward(py::handle dy_, py::handle saved_) {
  constexpr const char* op = "batch_norm_backward";
  if (!py::isinstance<BatchNormSaved>(saved_)) fail_type(op, "saved", "what batch_norm returned", describe(saved_));
  const auto& saved = saved_.cast<const BatchNormSaved&>();
  const View dy(op, "dy", dy_), x(op, "x", saved.x);
  dy.need_like(x);
  dy.need_shape(saved.shape);
  return with_storage(dy, [&]<class T>() -> py::tuple {
    const int64_t channels = saved.shape[1], rows = channels ? x.size() / channels : 0;
    const Dense<T> dense_dy(dy);
    py::array dx = new_array<T>(saved.shape);
    py::object dweight = py::none(), dbias = py::none(), dresidual = py::none();
    BatchNormBackwardArgs<T> a{};
    if (!saved.weight.is_none()) {
      py::array result = new_array<Compute<T>>({channels});
      a.dweight = data_of<Compute<T>>(result);
      dweight = result;
    }
    if (!saved.bias.is_none()) {
      py::array result = new_array<Compute<T>>({channels});
      a.dbias = data_of<Compute<T>>(result);
      dbias = result;
    }
    if (saved.has_residual) {
      if (saved.activation == Activation::none) {
        dresidual = dy.owner;  // the sum hands its gradient on as it is
      } else {
        py::array result = new_array<T>(saved.shape);
        a.dresidual = data_of<T>(result);
        dresidual = result;
      }
    }
    a.rows = rows, a.channels = channels;
    a.dy = dense_dy.data();
    a.x = static_cast<const T*>(saved.x.data()), a.y = static_cast<const T*>(saved.y.data());
    if (saved.signs && saved.isa == active_isa()) a.signs = saved.signs->get();
    a.weight = data_or_null<Compute<T>>(saved.weight), a.bias = data_or_null<Compute<T>>(saved.bias);
    a.mean = static_cast<const Compute<T>*>(saved.mean.data()),
    a.rstd = static_cast<const Compute<T>*>(saved.rstd.data());
    a.training = saved.training, a.has_residual = saved.has_residual;
    a.activation = saved.activation,
    a.activation_parameter = static_cast<Compute<T>>(fused_parameter(saved.activation));
    a.dx = data_of<T>(dx);
    a.width = num_threads();
    if (channels > 0) {
      const Workspace workspace(batch_norm_backward_workspace(a));
      a.workspace = workspace.get();
      without_gil(5 * rows * channels * static_cast<int64_t>(sizeof(T)), [&] { batch_norm_backward(a); });
    }
    if (saved.has_residual) return py::make_tuple(dx, dweight, dbias, dresidual);
    return py::make_tuple(dx, dweight, dbias);
  });
}

}  // namespace

void bind_batch_norm(py::module_& m) {
  py::class_<BatchNormSaved>(m, "BatchNormSaved", "What batch_norm_backward needs of its forward pass.");
  define(m, "batch_norm", &call_batch_norm);
  define(m, "batch_norm_backward", &call_batch_norm_backward);
}

}  // namespace fastnn
