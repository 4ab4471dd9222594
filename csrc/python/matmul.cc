#include "ops/matmul.h"

#include "core/device.h"
#include "python/support/arguments.h"
#include "python/support/matmul.h"

namespace fastnn {
namespace {

// A view whose last two axes are matrices; strides in bytes.
struct Matrices {
  const View* view;
  Shape shape, strides;
  int rank() const { return shape.size(); }
  int64_t rows() const { return shape[rank() - 2]; }
  int64_t cols() const { return shape[rank() - 1]; }
};

Shape insert(const Shape& s, int at, int64_t value) {
  Shape result;
  for (int i = 0; i <= s.size(); ++i) {
    if (i == at) result.push_back(value);
    if (i < s.size()) result.push_back(s[i]);
  }
  return result;
}

Matrices with_axis(Matrices x, int at) { return {x.view, insert(x.shape, at, 1), insert(x.strides, at, 0)}; }
Matrices as_rows(const View& x) {
  const Matrices m{&x, x.shape, x.strides};
  return x.rank() == 1 ? with_axis(m, 0) : m;
}
Matrices as_columns(const View& x) {
  const Matrices m{&x, x.shape, x.strides};
  return x.rank() == 1 ? with_axis(m, 1) : m;
}

enum class Need { any, contiguous_rows, contiguous_columns };

// The elements of a view where they lie if the kernel can read them so, else a dense copy.
template <class T>
struct Operand {
  const T* data = nullptr;
  int64_t row = 0, col = 0;  // in elements
  Shape shape, batch;        // batch: the strides of the axes in front, in elements
  std::optional<Dense<T>> copy;

  // `folded`: all axes but the last are rows.
  Operand(const Matrices& x, bool folded, Need need = Need::any) : shape(x.shape) {
    Shape strides = x.strides;
    // On a device cuBLASLt may sum in another order for another layout: there all are the dense one.
    bool in_place = x.view->is_aligned() && (!on_device() || x.view->is_dense_in(c_order(x.view->rank())));
    for (int64_t s : strides) in_place = in_place && s % static_cast<int64_t>(sizeof(T)) == 0;
    if (in_place) {
      for (int i = 0; i < strides.size(); ++i) strides[i] /= static_cast<int64_t>(sizeof(T));
      data = reinterpret_cast<const T*>(x.view->data);
      in_place = take(strides, folded, need);
    }
    if (!in_place) {
      copy.emplace(*x.view, c_order(x.view->rank()));
      data = copy->data();
      int64_t stride = 1;
      for (int i = shape.size() - 1; i >= 0; --i) {
        strides[i] = stride;
        stride *= shape[i];
      }
      take(strides, folded, need);
    }
    if (folded) {
      int64_t rows = 1;
      for (int i = 0; i + 1 < x.rank(); ++i) rows *= shape[i];
      shape = {rows, x.cols()};
    }
  }

  int64_t rows() const { return shape[shape.size() - 2]; }
  int64_t cols() const { return shape[shape.size() - 1]; }

  Operand transposed() && {
    std::swap(row, col);
    std::swap(shape[shape.size() - 2], shape[shape.size() - 1]);
    return std::move(*this);
  }

 private:
  // Whether the kernel can read these strides.
  bool take(const Shape& strides, bool folded, Need need) {
    const int last = shape.size() - 1;
    batch = Shape();
    row = strides[last - 1];
    col = strides[last];
    if (folded) {
      bool found = false;
      int64_t next = 0;  // the stride that the axis before must have
      for (int i = last - 1; i >= 0; --i) {
        if (shape[i] == 1) continue;
        if (found && strides[i] != next) return false;
        if (!found) row = strides[i];
        found = true;
        next = strides[i] * shape[i];
      }
    } else {
      for (int i = 0; i + 1 < last; ++i) batch.push_back(strides[i]);
    }
    int64_t rows = 1;
    for (int i = folded ? 0 : last - 1; i < last; ++i) rows *= shape[i];
    if (shape[last] == 1) col = 1;
    if (rows == 1) row = 1;
    return (col == 1 && need != Need::contiguous_columns) || (row == 1 && need != Need::contiguous_rows);
  }
};

Shape batch_of(const Matrices& x) {
  Shape shape;
  for (int i = 0; i + 2 < x.rank(); ++i) shape.push_back(x.shape[i]);
  return shape;
}

// The batch of a product; false if the shapes do not broadcast.
bool broadcast(const Shape& a, const Shape& b, Shape* result) {
  const int rank = std::max(a.size(), b.size());
  *result = Shape(rank);
  for (int i = 0; i < rank; ++i) {
    const int ia = i - rank + a.size(), ib = i - rank + b.size();
    const int64_t na = ia < 0 ? 1 : a[ia], nb = ib < 0 ? 1 : b[ib];
    if (na != nb && na != 1 && nb != 1) return false;
    (*result)[i] = na == 1 ? nb : na;
  }
  return true;
}

// The strides of an operand along the batch's axes: 0 where it repeats.
template <class T>
void batch_strides(const Operand<T>& x, const Shape& batch, int64_t* strides) {
  for (int i = 0; i < batch.size(); ++i) {
    const int own = i - batch.size() + x.batch.size();
    strides[i] = own < 0 || x.shape[own] == 1 ? 0 : x.batch[own];
  }
}

template <class T>
void multiply(const Operand<T>& a, const Operand<T>& b, const Shape& batch, bool along_k, T* out) {
  MatmulArgs<T> args{};
  args.m = a.rows(), args.n = b.cols(), args.k = a.cols();
  args.a = a.data, args.a_row = a.row, args.a_col = a.col;
  args.b = b.data, args.b_row = b.row, args.b_col = b.col;
  args.along_k = along_k;
  args.c = out;
  args.batch_rank = batch.size();
  for (int i = 0; i < batch.size(); ++i) args.batch_shape[i] = batch[i];
  batch_strides(a, batch, args.a_batch);
  batch_strides(b, batch, args.b_batch);
  args.width = num_threads();
  run_matmul(args);
}

// The shapes of a product, checked. One matrix `other` makes all axes of x but the last its rows.
struct Product {
  Matrices a, b;
  Shape batch, shape;
  bool folded;

  Product(const char* op, const View& x, const View& other) : a(as_rows_checked(x, other)), b(as_columns(other)) {
    if (a.cols() != b.rows())
      fail_value(op, "other",
                 "of shape (" + std::to_string(a.cols()) + ",) or (..., " + std::to_string(a.cols()) +
                     ", n) to fit x " + to_string(x.shape),
                 other.got());
    if (!broadcast(batch_of(a), batch_of(b), &batch))
      fail_value(op, "other", "of a batch that broadcasts with that of x " + to_string(x.shape), other.got());
    shape = batch;
    if (x.rank() > 1) shape.push_back(a.rows());
    if (other.rank() > 1) shape.push_back(b.cols());
    product(op, "the output", shape);
    folded = b.rank() == 2;
    if (folded) batch = Shape();
  }

  static Matrices as_rows_checked(const View& x, const View& other) {
    x.need_float();
    other.need_like(x);
    x.need_rank(1);
    other.need_rank(1);
    return as_rows(x);
  }
};

py::array call_matmul(py::handle x_, py::handle other_) {
  constexpr const char* op = "matmul";
  const View x(op, "x", x_), other(op, "other", other_);
  const Product p(op, x, other);
  return with_dtype(x, [&]<class T>() -> py::array {
    // With one column both operands run along k: then so do the sums.
    const bool along_k = p.folded && p.b.cols() == 1;
    const Operand<T> a(p.a, p.folded, along_k ? Need::contiguous_rows : Need::any);
    const Operand<T> b(p.b, false, along_k ? Need::contiguous_columns : Need::any);
    py::array y = new_array<T>(p.shape, c_order(p.shape.size()));
    multiply<T>(a, b, p.batch, along_k, data_of<T>(y));
    return y;
  });
}

// Sums v, of the batch's shape and `size` elements a matrix, over the axes along which an operand of
// shape `own` was repeated.
template <class T>
void sum_repeated(const Matrices& own, Shape batch, int64_t size, Workspace& v, T* result) {
  const int extra = batch.size() - (own.rank() - 2);
  T* from = static_cast<T*>(v.get());
  std::vector<std::unique_ptr<Workspace>> parts;
  int last = -1;
  for (int i = 0; i < batch.size(); ++i)
    if (batch[i] != 1 && (i < extra || own.shape[i - extra] == 1)) last = i;
  for (int i = 0; i <= last; ++i) {
    if (batch[i] == 1 || (i >= extra && own.shape[i - extra] != 1)) continue;
    int64_t outer = 1, inner = size;
    for (int j = 0; j < batch.size(); ++j) (j < i ? outer : inner) *= j == i ? 1 : batch[j];
    T* to = result;
    if (i != last) {
      parts.push_back(std::make_unique<Workspace>(outer * inner * static_cast<int64_t>(sizeof(T))));
      to = static_cast<T*>(parts.back()->get());
    }
    for (int64_t o = 0; o < outer; ++o) run_column_sums(batch[i], inner, from + o * batch[i] * inner, to + o * inner);
    batch[i] = 1;
    from = to;
  }
}

// One gradient: a b, summed over the repeated axes of the operand it belongs to.
template <class T>
py::array gradient(const Matrices& own, const Operand<T>& a, const Operand<T>& b, const Shape& batch) {
  py::array result = new_array<T>(own.view->shape, c_order(own.view->rank()));
  int64_t size = own.rows() * own.cols(), repeated = 1, owned = 1;
  for (int64_t n : batch) repeated *= n;
  for (int i = 0; i + 2 < own.rank(); ++i) owned *= own.shape[i];
  if (batch.size() == 0 || repeated == owned) {
    multiply<T>(a, b, batch, false, data_of<T>(result));
  } else {
    Workspace all(repeated * size * static_cast<int64_t>(sizeof(T)));
    multiply<T>(a, b, batch, false, static_cast<T*>(all.get()));
    sum_repeated(own, batch, size, all, data_of<T>(result));
  }
  return result;
}

py::tuple matmul_backward(py::handle dy_, py::handle x_, py::handle other_, py::handle needs_) {
  constexpr const char* op = "matmul_backward";
  const View x(op, "x", x_), other(op, "other", other_), dy(op, "dy", dy_);
  const std::vector<bool> needs = parse_needs(op, needs_, {"x", "other"});
  const Product p(op, x, other);
  dy.need_like(x);
  dy.need_shape(p.shape);
  Matrices dz{&dy, dy.shape, dy.strides};
  if (other.rank() == 1) dz = with_axis(dz, dz.rank());
  if (x.rank() == 1) dz = with_axis(dz, dz.rank() - 1);
  return with_dtype(x, [&]<class T>() -> py::tuple {
    const Operand<T> g(dz, p.folded);
    py::object dx = py::none(), dother = py::none();
    if (needs[0]) dx = gradient<T>(p.a, g, Operand<T>(p.b, false).transposed(), p.batch);
    if (needs[1]) dother = gradient<T>(p.b, Operand<T>(p.a, p.folded).transposed(), g, p.batch);
    return py::make_tuple(dx, dother);
  });
}

}  // namespace

void bind_matmul(py::module_& m) {
  define(m, "matmul", &call_matmul);
  define(m, "matmul_backward", &matmul_backward);
}

}  // namespace fastnn
