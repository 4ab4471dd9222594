#include "ops/input_activations.h"

#include "python/support/arguments.h"

namespace fastnn {
namespace {

struct Options {
  InputActivation kind;
  double beta = 1, threshold = 0;
};

py::array run(const char* op, const Options& options, const View& x, const View* dy) {
  return with_storage(x, [&]<class T>() -> py::array {
    const Order order = own_order(x);
    const Dense<T> dense(x, order);
    std::optional<Dense<T>> dense_dy;
    if (dy) dense_dy.emplace(*dy, order);
    py::array out = new_array<T>(x.shape, order);
    InputActivationArgs<T> args{options.kind,
                                static_cast<Compute<T>>(options.beta),
                                static_cast<Compute<T>>(options.threshold),
                                x.size(),
                                dy ? dense_dy->data() : nullptr,
                                dense.data(),
                                data_of<T>(out),
                                num_threads()};
    if (!(args.beta > 0)) fail_value(op, "beta", "above 0 in the dtype of x", std::to_string(options.beta));
    without_gil(args.n * (dy ? 3 : 2) * static_cast<int64_t>(sizeof(T)), [&] { input_activation(args); });
    return out;
  });
}

py::array forward(const char* op, const Options& options, py::handle x_) {
  return run(op, options, View(op, "x", x_), nullptr);
}

py::array backward(const char* op, const Options& options, py::handle dy_, py::handle x_) {
  const View x(op, "x", x_), dy(op, "dy", dy_);
  x.need_storage();
  dy.need_like(x);
  dy.need_shape(x.shape);
  return run(op, options, x, &dy);
}

Options gelu_options(const char* op, py::handle approximate) {
  const std::string word = py::isinstance<py::str>(approximate) ? approximate.cast<std::string>() : "";
  if (word == "none") return {InputActivation::gelu};
  if (word == "tanh") return {InputActivation::gelu_tanh};
  fail_value(op, "approximate", "\"none\" or \"tanh\"", describe(approximate));
}

Options softplus_options(const char* op, py::handle beta_, py::handle threshold) {
  const double beta = number(op, "beta", beta_);
  if (!(beta > 0)) fail_value(op, "beta", "above 0", describe(beta_));
  return {InputActivation::softplus, beta, number(op, "threshold", threshold)};
}

// Binds an activation without options, and its backward.
template <InputActivation kind>
void bind_plain(py::module_& m, const char* name, const char* backward_name) {
  define(m, name, [name](py::handle x) { return forward(name, {kind}, x); });
  define(m, backward_name,
         [backward_name](py::handle dy, py::handle x) { return backward(backward_name, {kind}, dy, x); });
}

}  // namespace

void bind_input_activations(py::module_& m) {
  bind_plain<InputActivation::selu>(m, "selu", "selu_backward");
  bind_plain<InputActivation::silu>(m, "silu", "silu_backward");
  bind_plain<InputActivation::hardswish>(m, "hardswish", "hardswish_backward");
  define(m, "gelu",
         [](py::handle x, py::handle approximate) { return forward("gelu", gelu_options("gelu", approximate), x); });
  define(m, "gelu_backward", [](py::handle dy, py::handle x, py::handle approximate) {
    return backward("gelu_backward", gelu_options("gelu_backward", approximate), dy, x);
  });
  define(m, "softplus", [](py::handle x, py::handle beta, py::handle threshold) {
    return forward("softplus", softplus_options("softplus", beta, threshold), x);
  });
  define(m, "softplus_backward", [](py::handle dy, py::handle x, py::handle beta, py::handle threshold) {
    return backward("softplus_backward", softplus_options("softplus_backward", beta, threshold), dy, x);
  });
}

}  // namespace fastnn
