#include "ops/activations.h"

#include "cpu/elementwise.h"
#include "formulas/activations.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
void forward(const ActivationArgs<T>& a) {
  const Vec<T> parameter = splat(a.parameter);
  with_activation(a.kind, [&]<Activation A>() {
    map<T>(a.n, a.width, a.y, [=](Vec<T> x) { return activate<A, T>(x, parameter); }, a.x);
  });
}

template <class T>
void backward(const ActivationBackwardArgs<T>& a) {
  const Vec<T> parameter = splat(a.parameter);
  if (a.kind == Activation::elu && !a.from_output) {
    map<T>(a.n, a.width, a.dx, [=](Vec<T> dy, Vec<T> x) { return elu_from_input<T>(dy, x, parameter); }, a.dy, a.saved);
    return;
  }
  // The derivatives of the other input-based ones depend on a sign that x and y share.
  with_activation(a.kind, [&]<Activation A>() {
    map<T>(
        a.n, a.width, a.dx, [=](Vec<T> dy, Vec<T> y) { return activate_backward<A, T>(dy, y, parameter); }, a.dy,
        a.saved);
  });
}

}  // namespace

void activation_forward(const ActivationArgs<float>& a) { forward(a); }
void activation_forward(const ActivationArgs<double>& a) { forward(a); }
void activation_backward(const ActivationBackwardArgs<float>& a) { backward(a); }
void activation_backward(const ActivationBackwardArgs<double>& a) { backward(a); }

}  // namespace fastnn::FASTNN_ISA
