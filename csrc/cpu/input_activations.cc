#include "ops/input_activations.h"

#include "cpu/elementwise.h"
#include "formulas/input_activations.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <InputActivation A, class T>
void run_as(const InputActivationArgs<T>& a) {
  const Vec<T> beta = splat(a.beta), threshold = splat(a.threshold);
  if (a.dy)
    map<T>(
        a.n, a.width, a.out, [=](Vec<T> dy, Vec<T> x) { return dy * input_slope<A, T>(x, beta, threshold); }, a.dy,
        a.x);
  else
    map<T>(a.n, a.width, a.out, [=](Vec<T> x) { return activate_input<A, T>(x, beta, threshold); }, a.x);
}

template <class T>
void run(const InputActivationArgs<T>& a) {
  switch (a.kind) {
    case InputActivation::selu:
      return run_as<InputActivation::selu>(a);
    case InputActivation::gelu:
      return run_as<InputActivation::gelu>(a);
    case InputActivation::gelu_tanh:
      return run_as<InputActivation::gelu_tanh>(a);
    case InputActivation::silu:
      return run_as<InputActivation::silu>(a);
    case InputActivation::softplus:
      return run_as<InputActivation::softplus>(a);
    case InputActivation::hardswish:
      return run_as<InputActivation::hardswish>(a);
  }
}

}  // namespace

void input_activation(const InputActivationArgs<float>& a) { run(a); }
void input_activation(const InputActivationArgs<double>& a) { run(a); }

}  // namespace fastnn::FASTNN_ISA
