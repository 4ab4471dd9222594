#include "ops/layer_norm.h"

#include "python/support/activation_argument.h"
#include "python/support/arguments.h"
#include "python/support/kept_arrays.h"

namespace fastnn {
namespace {

// What the backward pass needs. The arrays are dense in the C order.
struct LayerNormSaved {
  Shape shape;
  int64_t rows, length;
  py::array x, y, mean, mean_low, rstd;
  py::object weight, bias;  // arrays or None
  bool has_residual;
  Activation activation;
};

Shape parse_normalized(const char* op, py::handle value, const View& x) {
  Shape shape;
  if (PyIndex_Check(value.ptr()) && !py::isinstance<py::array>(value))
    shape.push_back(integer(op, "normalized_shape", value, 0));
  else
    shape = shape_argument(op, "normalized_shape", value, 1);
  const int lead = x.rank() - shape.size();
  for (int i = 0; i < shape.size(); ++i)
    if (lead < 0 || x.shape[lead + i] != shape[i])
      fail_value(op, "normalized_shape", "the last axes of x " + to_string(x.shape), to_string(shape));
  return shape;
}

py::tuple call_layer_norm(py::handle x_, py::handle normalized_shape, py::handle weight_, py::handle bias_,
                          py::handle eps_, py::handle activation_, py::handle residual_) {
  constexpr const char* op = "layer_norm";
  const View x(op, "x", x_);
  const auto weight = optional_view(op, "weight", weight_), bias = optional_view(op, "bias", bias_);
  const auto residual = optional_view(op, "residual", residual_);
  const double eps = number_at_least(op, "eps", eps_, 0);
  const Activation activation = parse_activation(op, activation_);
  x.need_storage();
  x.need_rank(1);
  const Shape normalized = parse_normalized(op, normalized_shape, x);
  for (const auto* v : {&weight, &bias})
    if (*v) {
      (*v)->need_parameter(x);
      (*v)->need_shape(normalized);
    }
  if (residual) {
    residual->need_like(x);
    residual->need_shape(x.shape);
  }
  return with_storage(x, [&]<class T>() -> py::tuple {
    const Order order = c_order(x.rank());
    LayerNormSaved saved{};
    saved.shape = x.shape;
    saved.length = product(op, "normalized_shape", normalized);
    saved.rows = saved.length ? x.size() / saved.length : 0;
    saved.x = dense_array<T>(x, order);
    saved.weight = dense_or_none<Compute<T>>(weight), saved.bias = dense_or_none<Compute<T>>(bias);
    saved.has_residual = residual.has_value();
    saved.activation = activation;
    saved.mean = new_array<Compute<T>>({saved.rows});
    saved.mean_low = new_array<Compute<T>>({saved.rows});
    saved.rstd = new_array<Compute<T>>({saved.rows});
    saved.y = new_array<T>(x.shape, order);
    std::optional<Dense<T>> dense_residual;
    if (residual) dense_residual.emplace(*residual, order);
    LayerNormArgs<T> a{};
    a.rows = saved.rows, a.length = saved.length;
    a.x = static_cast<const T*>(saved.x.data());
    a.residual = residual ? dense_residual->data() : nullptr;
    a.weight = data_or_null<Compute<T>>(saved.weight), a.bias = data_or_null<Compute<T>>(saved.bias);
    a.eps = eps;
    a.activation = activation, a.activation_parameter = static_cast<Compute<T>>(fused_parameter(activation));
    a.y = data_of<T>(saved.y), a.mean = data_of<Compute<T>>(saved.mean),
    a.mean_low = data_of<Compute<T>>(saved.mean_low);
    a.rstd = data_of<Compute<T>>(saved.rstd);
    a.width = num_threads();
    if (x.size() > 0) {
      const Workspace workspace(layer_norm_workspace(a));
      a.workspace = workspace.get();
      without_gil(3 * x.size() * static_cast<int64_t>(sizeof(T)), [&] { layer_norm_forward(a); });
    }
    py::array y = saved.y;
    return py::make_tuple(y, std::move(saved));
  });
}

py::tuple call_layer_norm_backward(py::handle dy_, py::handle saved_) {
  constexpr const char* op = "layer_norm_backward";
  if (!py::isinstance<LayerNormSaved>(saved_)) fail_type(op, "saved", "what layer_norm returned", describe(saved_));
  const auto& saved = saved_.cast<const LayerNormSaved&>();
  const View dy(op, "dy", dy_), x(op, "x", saved.x);
  dy.need_like(x);
  dy.need_shape(saved.shape);
  return with_storage(dy, [&]<class T>() -> py::tuple {
    const Order order = c_order(dy.rank());
    const Dense<T> dense_dy(dy, order);
    py::array dx = new_array<T>(saved.shape, order);
    LayerNormBackwardArgs<T> a{};
    const py::object dweight = new_like<Compute<T>>(saved.weight, a.dweight),
                     dbias = new_like<Compute<T>>(saved.bias, a.dbias);
    py::object dresidual = py::none();
    if (saved.has_residual) {
      if (saved.activation == Activation::none)
        dresidual = dy.owner;  // the sum hands its gradient on as it is
      else
        dresidual = new_like<T>(saved.y, a.dresidual);
    }
    a.rows = saved.rows, a.length = saved.length;
    a.dy = dense_dy.data();
    a.x = static_cast<const T*>(saved.x.data()), a.y = static_cast<const T*>(saved.y.data());
    a.weight = data_or_null<Compute<T>>(saved.weight), a.bias = data_or_null<Compute<T>>(saved.bias);
    a.mean = static_cast<const Compute<T>*>(saved.mean.data()),
    a.rstd = static_cast<const Compute<T>*>(saved.rstd.data());
    a.mean_low = static_cast<const Compute<T>*>(saved.mean_low.data());
    a.has_residual = saved.has_residual;
    a.activation = saved.activation,
    a.activation_parameter = static_cast<Compute<T>>(fused_parameter(saved.activation));
    a.dx = data_of<T>(dx);
    a.width = num_threads();
    if (saved.length > 0) {
      const Workspace workspace(layer_norm_backward_workspace(a));
      a.workspace = workspace.get();
      without_gil(4 * dy.size() * static_cast<int64_t>(sizeof(T)), [&] { layer_norm_backward(a); });
    }
    if (saved.has_residual) return py::make_tuple(dx, dweight, dbias, dresidual);
    return py::make_tuple(dx, dweight, dbias);
  });
}

}  // namespace

void bind_layer_norm(py::module_& m) {
  py::class_<LayerNormSaved>(m, "LayerNormSaved", "What layer_norm_backward needs of its forward pass.");
  define(m, "layer_norm", &call_layer_norm);
  define(m, "layer_norm_backward", &call_layer_norm_backward);
}

}  // namespace fastnn
