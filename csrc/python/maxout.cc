#include "ops/maxout.h"

#include "python/support/arguments.h"

namespace fastnn {
namespace {

// What the forward pass keeps for the backward pass.
struct MaxoutSaved {
  Shape x_shape, y_shape;
  Dtype dtype;
  int64_t pieces;
  std::unique_ptr<Workspace> winners;
};

py::tuple maxout(py::handle x_, py::handle pieces_) {
  constexpr const char* op = "maxout";
  const View x(op, "x", x_);
  const int64_t pieces = integer(op, "pieces", pieces_, 1);
  if (pieces > kMaxPieces) fail_value(op, "pieces", "at most " + std::to_string(kMaxPieces), describe(pieces_));
  x.need_storage();
  x.need_rank(2);
  if (x.shape[1] % pieces != 0) fail_value(op, "x", "of a multiple of pieces channels", x.got());
  return with_storage(x, [&]<class T>() -> py::tuple {
    const Dense<T> dense(x);
    auto saved = std::make_unique<MaxoutSaved>();
    saved->x_shape = saved->y_shape = x.shape;
    saved->y_shape[1] /= pieces;
    saved->dtype = x.dtype;
    saved->pieces = pieces;
    py::array y = new_array<T>(saved->y_shape);
    saved->winners = std::make_unique<Workspace>(y.size() + 1);
    MaxoutArgs<T> args{y.size(),     pieces, dense.data(), data_of<T>(y), static_cast<uint8_t*>(saved->winners->get()),
                       num_threads()};
    without_gil(2 * x.size() * static_cast<int64_t>(sizeof(T)), [&] { maxout_forward(args); });
    return py::make_tuple(y, std::move(saved));
  });
}

py::array maxout_backward(py::handle dy_, py::handle saved_) {
  constexpr const char* op = "maxout_backward";
  const View dy(op, "dy", dy_);
  if (!py::isinstance<MaxoutSaved>(saved_)) fail_type(op, "saved", "the second result of maxout", describe(saved_));
  const auto& saved = saved_.cast<const MaxoutSaved&>();
  if (dy.dtype != saved.dtype) fail_type(op, "dy", name_of(saved.dtype) + std::string(" like x"), dy.got());
  dy.need_shape(saved.y_shape);
  return with_storage(dy, [&]<class T>() -> py::array {
    const Dense<T> dense(dy);
    py::array dx = new_array<T>(saved.x_shape);
    MaxoutArgs<T> args{
        dy.size(),    saved.pieces, dense.data(), data_of<T>(dx), static_cast<uint8_t*>(saved.winners->get()),
        num_threads()};
    without_gil(2 * dx.size() * static_cast<int64_t>(sizeof(T)), [&] { maxout_backward(args); });
    return dx;
  });
}

}  // namespace

void bind_maxout(py::module_& m) {
  py::class_<MaxoutSaved>(m, "MaxoutSaved");
  define(m, "maxout", [](py::handle x, py::handle pieces) { return maxout(x, pieces); });
  define(m, "maxout_backward", [](py::handle dy, py::handle saved) { return maxout_backward(dy, saved); });
}

}  // namespace fastnn
