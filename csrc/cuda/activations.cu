#include "cuda/elementwise.cuh"
#include "formulas/activations.h"
#include "ops/activations.h"

namespace fastnn::cuda {
namespace {

template <Activation A, class T>
struct Forward {
  T parameter;
  __device__ T operator()(T x) const { return activate<A, T>(x, parameter); }
};

template <Activation A, class T>
struct Backward {
  T parameter;
  __device__ T operator()(T dy, T y) const { return activate_backward<A, T>(dy, y, parameter); }
};

template <class T>
struct EluFromInput {
  T alpha;
  __device__ T operator()(T dy, T x) const { return elu_from_input<T>(dy, x, alpha); }
};

template <class T>
void forward(const ActivationArgs<T>& a) {
  with_activation(a.kind, [&]<Activation A>() { map(a.n, a.y, Forward<A, Compute<T>>{a.parameter}, a.x); });
}

template <class T>
void backward(const ActivationBackwardArgs<T>& a) {
  if (a.kind == Activation::elu && !a.from_output)
    return map(a.n, a.dx, EluFromInput<Compute<T>>{a.parameter}, a.dy, a.saved);
  with_activation(a.kind, [&]<Activation A>() { map(a.n, a.dx, Backward<A, Compute<T>>{a.parameter}, a.dy, a.saved); });
}

}  // namespace

FASTNN_CUDA_STORAGE_KERNEL(void, activation_forward, ActivationArgs, forward)
FASTNN_CUDA_STORAGE_KERNEL(void, activation_backward, ActivationBackwardArgs, backward)

}  // namespace fastnn::cuda
