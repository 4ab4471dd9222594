#include "ops/activations.h"

#include "python/support/activation_argument.h"
#include "python/support/arguments.h"

namespace fastnn {
namespace {

py::array forward(const char* op, Activation kind, py::handle x_, double parameter) {
  const View x(op, "x", x_);
  return with_storage(x, [&]<class T>() -> py::array {
    const Order order = own_order(x);
    const Dense<T> dense(x, order);
    py::array y = new_array<T>(x.shape, order);
    ActivationArgs<T> args{kind,         static_cast<Compute<T>>(parameter), x.size(), dense.data(), data_of<T>(y),
                           num_threads()};
    without_gil(args.n * 2 * static_cast<int64_t>(sizeof(T)), [&] { activation_forward(args); });
    return y;
  });
}

py::array backward(const char* op, Activation kind, py::handle dy_, py::handle saved_, double parameter,
                   bool from_output) {
  const View saved(op, from_output ? "y" : "x", saved_);
  const View dy(op, "dy", dy_);
  saved.need_storage();
  dy.need_like(saved);
  dy.need_shape(saved.shape);
  return with_storage(saved, [&]<class T>() -> py::array {
    const Order order = own_order(saved);
    const Dense<T> dense_saved(saved, order), dense_dy(dy, order);
    py::array dx = new_array<T>(saved.shape, order);
    ActivationBackwardArgs<T> args{kind,
                                   static_cast<Compute<T>>(parameter),
                                   from_output,
                                   saved.size(),
                                   dense_dy.data(),
                                   dense_saved.data(),
                                   data_of<T>(dx),
                                   num_threads()};
    without_gil(args.n * 3 * static_cast<int64_t>(sizeof(T)), [&] { activation_backward(args); });
    return dx;
  });
}

}  // namespace

void bind_activations(py::module_& m) {
  define(m, "relu", [](py::handle x) { return forward("relu", Activation::relu, x, 0); });
  define(m, "relu_backward",
         [](py::handle dy, py::handle x) { return backward("relu_backward", Activation::relu, dy, x, 0, false); });
  define(m, "leaky_relu", [](py::handle x, py::handle slope) {
    return forward("leaky_relu", Activation::leaky_relu, x, number_at_least("leaky_relu", "negative_slope", slope, 0));
  });
  define(m, "leaky_relu_backward", [](py::handle dy, py::handle x, py::handle slope) {
    const double s = number_at_least("leaky_relu_backward", "negative_slope", slope, 0);
    return backward("leaky_relu_backward", Activation::leaky_relu, dy, x, s, false);
  });
  define(m, "elu", [](py::handle x, py::handle alpha) {
    return forward("elu", Activation::elu, x, number_at_least("elu", "alpha", alpha, 0));
  });
  define(m, "elu_backward", [](py::handle dy, py::handle x, py::handle alpha) {
    return backward("elu_backward", Activation::elu, dy, x, number_at_least("elu_backward", "alpha", alpha, 0), false);
  });
  define(m, "sigmoid", [](py::handle x) { return forward("sigmoid", Activation::sigmoid, x, 0); });
  define(m, "sigmoid_backward",
         [](py::handle dy, py::handle y) { return backward("sigmoid_backward", Activation::sigmoid, dy, y, 0, true); });
  define(m, "tanh", [](py::handle x) { return forward("tanh", Activation::tanh, x, 0); });
  define(m, "tanh_backward",
         [](py::handle dy, py::handle y) { return backward("tanh_backward", Activation::tanh, dy, y, 0, true); });
}

}  // namespace fastnn
