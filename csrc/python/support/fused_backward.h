// The gradient in front of a fused activation: dy * act'(y).
#pragma once

#include "ops/activations.h"
#include "python/support/activation_argument.h"
#include "python/support/arguments.h"

namespace fastnn {

template <class T>
class FusedBackward {
 public:
  FusedBackward(const char* op, const View& dy, Activation activation, py::handle y_, const Order& order)
      : dense_(dy, order), data_(dense_.data()) {
    if (activation == Activation::none) return;
    if (y_.is_none()) fail_value(op, "y", "the forward output when `activation` is given", "None");
    const View y(op, "y", y_);
    y.need_like(dy);
    y.need_shape(dy.shape);
    const Dense<T> dense_y(y, order);
    const int64_t bytes = dy.size() * static_cast<int64_t>(sizeof(T));
    product_.emplace(bytes);
    ActivationBackwardArgs<T> args{};
    args.kind = activation;
    args.parameter = static_cast<T>(fused_parameter(activation));
    args.from_output = true;
    args.n = dy.size();
    args.dy = dense_.data();
    args.saved = dense_y.data();
    args.dx = static_cast<T*>(product_->get());
    args.width = num_threads();
    without_gil(3 * bytes, [&] { activation_backward(args); });
    data_ = args.dx;
  }
  const T* data() const { return data_; }

 private:
  Dense<T> dense_;
  std::optional<Workspace> product_;
  const T* data_;
};

}  // namespace fastnn
