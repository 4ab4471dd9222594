#include "cuda/elementwise.cuh"
#include "formulas/input_activations.h"
#include "ops/input_activations.h"

namespace fastnn::cuda {
namespace {

template <InputActivation A, class T>
struct Forward {
  T beta, threshold;
  __device__ T operator()(T x) const { return activate_input<A, T>(x, beta, threshold); }
};

template <InputActivation A, class T>
struct Backward {
  T beta, threshold;
  __device__ T operator()(T dy, T x) const { return dy * input_slope<A, T>(x, beta, threshold); }
};

template <InputActivation A, class T>
void run_as(const InputActivationArgs<T>& a) {
  if (a.dy)
    map(a.n, a.out, Backward<A, Compute<T>>{a.beta, a.threshold}, a.dy, a.x);
  else
    map(a.n, a.out, Forward<A, Compute<T>>{a.beta, a.threshold}, a.x);
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

FASTNN_CUDA_STORAGE_KERNEL(void, input_activation, InputActivationArgs, run)

}  // namespace fastnn::cuda
