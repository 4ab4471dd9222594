#include "python/support/activation_argument.h"

#include "python/support/arguments.h"

namespace fastnn {

Activation parse_activation(const char* op, py::handle name) {
  if (name.is_none()) return Activation::none;
  if (py::isinstance<py::str>(name)) {
    const std::string word = name.cast<std::string>();
    if (word == "relu") return Activation::relu;
    if (word == "leaky_relu") return Activation::leaky_relu;
    if (word == "elu") return Activation::elu;
    if (word == "sigmoid") return Activation::sigmoid;
    if (word == "tanh") return Activation::tanh;
  }
  fail_value(op, "activation", "None, \"relu\", \"leaky_relu\", \"elu\", \"sigmoid\" or \"tanh\"", describe(name));
}

double fused_parameter(Activation kind) {
  return kind == Activation::leaky_relu ? kFusedLeakySlope : kind == Activation::elu ? kFusedEluAlpha : 0;
}

}  // namespace fastnn
