#include "ops/dropout.h"

#include <cmath>

#include "python/support/arguments.h"
#include "python/support/matmul.h"

namespace fastnn {
namespace {

// What every op of the family takes behind its arrays.
struct Draw {
  double p;
  bool identity;
  uint64_t seed, offset, threshold;

  Draw(const char* op, py::handle p_, py::handle training, py::handle seed_, py::handle offset_)
      : p(number_in(op, "p", p_, 0, 1)),
        identity(!boolean(op, "training", training) || p == 0),
        seed(word64(op, "seed", seed_)),
        offset(word64(op, "offset", offset_)),
        threshold(static_cast<uint64_t>(std::floor(p * 4294967296.0))) {}

  template <class T>
  Compute<T> scale() const {
    return p == 1 ? 0 : static_cast<Compute<T>>(1 / (1 - p));
  }
  template <class T>
  DropoutArgs<T> args(int64_t n, const T* x, T* y) const {
    DropoutArgs<T> a{};
    a.n = n, a.x = x, a.y = y;
    a.threshold = identity ? 0 : threshold, a.scale = identity ? 1 : scale<T>();
    a.seed = seed, a.offset = offset;
    a.width = num_threads();
    return a;
  }
};

template <class T>
void run(const DropoutArgs<T>& a) {
  without_gil(3 * a.n * static_cast<int64_t>(sizeof(T)), [&] { dropout_forward(a); });
}

py::array dropout(const char* op, const char* argument, py::handle x_, py::handle p, py::handle training,
                  py::handle seed, py::handle offset) {
  const View x(op, argument, x_);
  const Draw draw(op, p, training, seed, offset);
  return with_storage(x, [&]<class T>() -> py::array {
    if (draw.identity && x.is_channels_last()) return py::reinterpret_borrow<py::array>(x.owner);
    const Dense<T> dense(x);
    py::array y = new_array<T>(x.shape);
    run(draw.args(x.size(), dense.data(), data_of<T>(y)));
    return y;
  });
}

// What SELU's inputs are dropped to: the limit of selu(x) for x -> -inf, -scale * alpha.
inline constexpr double kSeluLimit = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717;

py::array alpha_dropout(const char* op, const char* argument, py::handle x_, py::handle p_, py::handle training,
                        py::handle seed, py::handle offset, bool backward) {
  const View x(op, argument, x_);
  const Draw draw(op, p_, training, seed, offset);
  return with_storage(x, [&]<class T>() -> py::array {
    if (draw.identity && x.is_channels_last()) return py::reinterpret_borrow<py::array>(x.owner);
    const Dense<T> dense(x);
    py::array y = new_array<T>(x.shape);
    DropoutArgs<T> a = draw.args(x.size(), dense.data(), data_of<T>(y));
    if (!draw.identity && draw.p < 1) {
      const double p = draw.p, scale = 1 / std::sqrt((1 - p) * (1 + p * kSeluLimit * kSeluLimit));
      a.scale = static_cast<Compute<T>>(scale);
      if (!backward) {
        a.affine = true;
        a.shift = static_cast<Compute<T>>(-scale * p * kSeluLimit);
        a.dropped = static_cast<Compute<T>>(scale * (1 - p) * kSeluLimit);
      }
    }
    run(a);
    return y;
  });
}

// One word for each of `channels` of each of `images`; the elements lie in the given order.
py::array drop_channels(const View& x, const Draw& draw, int64_t images, int64_t channels, const Order& order) {
  return with_storage(x, [&]<class T>() -> py::array {
    if (draw.identity && x.is_aligned() && x.is_dense_in(order)) return py::reinterpret_borrow<py::array>(x.owner);
    const Dense<T> dense(x, order);
    py::array y = new_array<T>(x.shape, order);
    const int64_t n = x.size();
    if (draw.identity) {
      run(draw.args(n, dense.data(), data_of<T>(y)));
    } else if (n > 0) {
      ChannelDropoutArgs<T> a{};
      a.images = images, a.channels = channels, a.rows = n / (images * channels);
      a.x = dense.data(), a.y = data_of<T>(y);
      a.threshold = draw.threshold, a.scale = draw.scale<T>(), a.seed = draw.seed, a.offset = draw.offset;
      a.width = num_threads();
      const Workspace workspace(channel_dropout_workspace(a));
      a.workspace = workspace.get();
      without_gil(2 * n * static_cast<int64_t>(sizeof(T)), [&] { channel_dropout_forward(a); });
    }
    return y;
  });
}

py::array dropout2d(const char* op, const char* argument, py::handle x_, py::handle p, py::handle training,
                    py::handle seed, py::handle offset) {
  const View x(op, argument, x_);
  const Draw draw(op, p, training, seed, offset);
  x.need_storage();
  x.need_rank(3);
  return drop_channels(x, draw, x.shape[0], x.shape[1], channels_last_order(x.rank()));
}

py::array stochastic_depth(const char* op, const char* argument, py::handle x_, py::handle p, py::handle mode,
                           py::handle training, py::handle seed, py::handle offset) {
  const View x(op, argument, x_);
  const std::string word = py::isinstance<py::str>(mode) ? mode.cast<std::string>() : "";
  if (word != "row" && word != "batch") fail_value(op, "mode", "\"row\" or \"batch\"", describe(mode));
  const Draw draw(op, p, training, seed, offset);
  x.need_storage();
  x.need_rank(1);
  return drop_channels(x, draw, word == "row" ? x.shape[0] : 1, 1, own_order(x));
}

struct Affine {
  int64_t rows, in, out;

  Affine(const char* op, const View& x, const View& weight) {
    x.need_float();
    x.need_rank(1);
    weight.need_like(x);
    weight.need_rank(2, 2);
    out = weight.shape[0], in = weight.shape[1];
    if (x.shape.back() != in)
      fail_value(op, "x", "of shape (..., " + std::to_string(in) + ") to fit weight " + to_string(weight.shape),
                 x.got());
    rows = 1;
    for (int i = 0; i + 1 < x.rank(); ++i) rows *= x.shape[i];
  }
  Shape output(const View& x) const {
    Shape shape = x.shape;
    shape.back() = out;
    return shape;
  }
};

// The weight with entries dropped.
template <class T>
const T* mask(const View& weight, const Draw& draw, const Workspace& kept) {
  const Dense<T> dense(weight, c_order(2));
  T* data = static_cast<T*>(kept.get());
  run(draw.args(weight.size(), dense.data(), data));
  return data;
}

py::array dropconnect(py::handle x_, py::handle weight_, py::handle bias_, py::handle p, py::handle training,
                      py::handle seed, py::handle offset) {
  constexpr const char* op = "dropconnect";
  const View x(op, "x", x_), weight(op, "weight", weight_);
  const auto bias = optional_view(op, "bias", bias_);
  const Draw draw(op, p, training, seed, offset);
  const Affine shape(op, x, weight);
  if (bias) {
    bias->need_like(x);
    bias->need_shape({shape.out});
  }
  product(op, "the output", shape.output(x));
  return with_dtype(x, [&]<class T>() -> py::array {
    const Order order = c_order(x.rank());
    const Dense<T> dense_x(x, order);
    const Workspace kept(weight.size() * static_cast<int64_t>(sizeof(T)));
    std::optional<Dense<T>> dense_bias;
    if (bias) dense_bias.emplace(*bias);
    py::array y = new_array<T>(shape.output(x), order);
    MatmulArgs<T> args{};
    args.m = shape.rows, args.n = shape.out, args.k = shape.in;
    args.a = dense_x.data(), args.a_row = shape.in, args.a_col = 1;
    args.b = mask<T>(weight, draw, kept), args.b_row = 1, args.b_col = shape.in;
    args.bias = bias ? dense_bias->data() : nullptr;
    args.c = data_of<T>(y);
    args.width = num_threads();
    run_matmul(args);
    return y;
  });
}

py::tuple dropconnect_backward(py::handle dy_, py::handle x_, py::handle weight_, py::handle p, py::handle training,
                               py::handle seed, py::handle offset, py::handle needs_) {
  constexpr const char* op = "dropconnect_backward";
  const View dy(op, "dy", dy_), x(op, "x", x_), weight(op, "weight", weight_);
  const Draw draw(op, p, training, seed, offset);
  const std::vector<bool> needs = parse_needs(op, needs_, {"x", "weight", "bias"});
  const Affine shape(op, x, weight);
  dy.need_like(x);
  dy.need_shape(shape.output(x));
  return with_dtype(x, [&]<class T>() -> py::tuple {
    const Order order = c_order(x.rank());
    const Dense<T> dense_dy(dy, order);
    py::object dx = py::none(), dweight = py::none(), dbias = py::none();
    MatmulArgs<T> args{};
    args.width = num_threads();
    args.a = dense_dy.data();
    if (needs[0]) {
      const Workspace kept(weight.size() * static_cast<int64_t>(sizeof(T)));
      py::array result = new_array<T>(x.shape, order);
      args.m = shape.rows, args.n = shape.in, args.k = shape.out;
      args.a_row = shape.out, args.a_col = 1;
      args.b = mask<T>(weight, draw, kept), args.b_row = shape.in, args.b_col = 1;
      args.c = data_of<T>(result);
      run_matmul(args);
      dx = result;
    }
    if (needs[1]) {
      const Dense<T> dense_x(x, order);
      py::array result = new_array<T>(weight.shape);
      args.m = shape.out, args.n = shape.in, args.k = shape.rows;
      args.a_row = 1, args.a_col = shape.out;
      args.b = dense_x.data(), args.b_row = shape.in, args.b_col = 1;
      args.c = data_of<T>(result);
      run_matmul(args);
      run(draw.args(weight.size(), static_cast<const T*>(args.c), args.c));
      dweight = result;
    }
    if (needs[2]) {
      py::array result = new_array<T>({shape.out});
      run_column_sums(shape.rows, shape.out, dense_dy.data(), data_of<T>(result));
      dbias = result;
    }
    return py::make_tuple(dx, dweight, dbias);
  });
}

}  // namespace

void bind_dropout(py::module_& m) {
  using H = py::handle;
  define(m, "dropout",
         [](H x, H p, H training, H seed, H offset) { return dropout("dropout", "x", x, p, training, seed, offset); });
  define(m, "dropout_backward", [](H dy, H p, H training, H seed, H offset) {
    return dropout("dropout_backward", "dy", dy, p, training, seed, offset);
  });
  define(m, "dropout2d", [](H x, H p, H training, H seed, H offset) {
    return dropout2d("dropout2d", "x", x, p, training, seed, offset);
  });
  define(m, "dropout2d_backward", [](H dy, H p, H training, H seed, H offset) {
    return dropout2d("dropout2d_backward", "dy", dy, p, training, seed, offset);
  });
  define(m, "alpha_dropout", [](H x, H p, H training, H seed, H offset) {
    return alpha_dropout("alpha_dropout", "x", x, p, training, seed, offset, false);
  });
  define(m, "alpha_dropout_backward", [](H dy, H p, H training, H seed, H offset) {
    return alpha_dropout("alpha_dropout_backward", "dy", dy, p, training, seed, offset, true);
  });
  define(m, "stochastic_depth", [](H x, H p, H mode, H training, H seed, H offset) {
    return stochastic_depth("stochastic_depth", "x", x, p, mode, training, seed, offset);
  });
  define(m, "stochastic_depth_backward", [](H dy, H p, H mode, H training, H seed, H offset) {
    return stochastic_depth("stochastic_depth_backward", "dy", dy, p, mode, training, seed, offset);
  });
  define(m, "dropconnect", &dropconnect);
  define(m, "dropconnect_backward", &dropconnect_backward);
}

}  // namespace fastnn
