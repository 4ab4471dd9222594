// Views of the arrays that Python passes, the checks on them, and the arrays that go back.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/memory.h"
#include "core/parallel.h"
#include "core/storage.h"
#include "python/support/device_call.h"

namespace fastnn {

namespace py = pybind11;

inline constexpr int kMaxRank = 8;

// A vector of at most kMaxRank items without memory of its own: views are made in every call.
template <class T>
class Small {
 public:
  Small() = default;
  Small(std::initializer_list<T> items) {
    for (T item : items) push_back(item);
  }
  explicit Small(int size) : size_(size) {}
  void push_back(T item) { items_[size_++] = item; }
  int size() const { return size_; }
  T& operator[](int i) { return items_[i]; }
  const T& operator[](int i) const { return items_[i]; }
  T& back() { return items_[size_ - 1]; }
  const T& back() const { return items_[size_ - 1]; }
  const T* begin() const { return items_; }
  const T* end() const { return items_ + size_; }
  bool operator==(const Small& other) const {
    if (size_ != other.size_) return false;
    for (int i = 0; i < size_; ++i)
      if (items_[i] != other.items_[i]) return false;
    return true;
  }

 private:
  int size_ = 0;
  T items_[kMaxRank] = {};
};

using Shape = Small<int64_t>;
using Order = Small<int>;  // axes from the slowest in memory to the fastest

struct View;
Order c_order(int rank);
Order channels_last_order(int rank);        // 0, 2, 3, ..., 1; the C order below rank 3
std::string to_string(const Shape& shape);  // "(2, 3)"

// The one way to raise: "<op>: <argument> must be <need>, got <got>".
[[noreturn]] void fail_value(const char* op, const std::string& argument, const std::string& need,
                             const std::string& got);
[[noreturn]] void fail_type(const char* op, const std::string& argument, const std::string& need,
                            const std::string& got);

// float16 and bfloat16 only in a device's memory: on the CPU they are others.
enum class Dtype { f16, bf16, f32, f64, integer, other };

const char* name_of(Dtype dtype);  // "float32"

// An array as Python passed it: any strides, any alignment, any dtype.
struct View {
  const char* op;
  const char* role;  // the argument's name
  int index;         // in a list of arrays, else -1
  py::object owner;
  char* data = nullptr;
  Dtype dtype = Dtype::other;
  bool writable = false;
  Shape shape;
  Shape strides;  // in bytes

  View(const char* op, const char* role, py::handle array, int index = -1);

  std::string name() const;
  std::string dtype_name() const;
  int rank() const { return shape.size(); }
  int64_t size() const;
  bool is_half() const { return dtype == Dtype::f16 || dtype == Dtype::bf16; }
  int64_t itemsize() const { return is_half() ? 2 : dtype == Dtype::f32 ? 4 : 8; }

  void need_float() const;                       // float32 or float64
  void need_storage() const;                     // on a device also float16 or bfloat16
  void need_like(const View& other) const;       // the same dtype as `other`
  void need_parameter(const View& other) const;  // the dtype of parameters beside `other`: float32 beside half
  void need_rank(int least, int most = kMaxRank) const;
  void need_shape(const Shape& need) const;
  void need_writable() const;
  std::string got() const;  // "float64 (32,)"

  bool is_aligned() const;                     // to its elements
  bool is_dense_in(const Order& order) const;  // no gaps, memory in this order of axes
  bool is_channels_last() const;
};

Order own_order(const View& x);  // the C order if x lies so and not channels-last, else channels-last
int64_t product(const char* op, const std::string& name, const Shape& shape);  // overflow-checked

// Scratch memory for one call, where its arrays are: in the pool or on the device.
class Workspace {
 public:
  explicit Workspace(int64_t bytes);
  void* get() const { return data_; }

 private:
  std::unique_ptr<Buffer> buffer_;
  py::object on_device_;
  void* data_ = nullptr;
};

// Written arrays must not share memory with each other or with what is read.
void need_disjoint(const View& written, const View& other);

// The elements of a view, dense in the channels-last order: the view's own memory if it is so
// already, else a copy in scratch memory.
template <class T>
class Dense {
 public:
  explicit Dense(const View& view);
  Dense(const View& view, const Order& order);
  const T* data() const { return data_; }
  bool is_copy() const { return copy_ != nullptr; }

 private:
  std::unique_ptr<Workspace> copy_;
  const T* data_;
};

// dst, dense in the given order of x's axes, takes x's elements.
template <class T>
void copy_elements(const View& x, const Order& order, T* dst);

// A new array in the pool's or the device's memory, dense in the given order of axes (default: channels-last).
template <class T>
py::array new_array(const Shape& shape);
template <class T>
py::array new_array(const Shape& shape, const Order& order);
template <class T>
T* data_of(py::array& array) {
  return static_cast<T*>(array.mutable_data());
}

// Calls body.template operator()<T>() with the dtype of a float view.
template <class Body>
auto with_dtype(const View& view, Body&& body) {
  view.need_float();
  return view.dtype == Dtype::f32 ? body.template operator()<float>() : body.template operator()<double>();
}

// The same for ops whose CUDA kernels take float16 and bfloat16 too.
template <class Body>
auto with_storage(const View& view, Body&& body) {
  if (view.dtype == Dtype::f16) return body.template operator()<Float16>();
  if (view.dtype == Dtype::bf16) return body.template operator()<Bfloat16>();
  view.need_storage();
  return view.dtype == Dtype::f32 ? body.template operator()<float>() : body.template operator()<double>();
}

// Runs the kernel without the GIL when it is long enough for others to gain from it.
template <class Body>
void without_gil(int64_t bytes, Body&& body) {
  if (bytes < (16 << 10)) {
    body();
  } else {
    py::gil_scoped_release release;
    body();
  }
}

// An optional array argument: None is absent.
inline std::optional<View> optional_view(const char* op, const char* name, py::handle array) {
  if (array.is_none()) return std::nullopt;
  return std::optional<View>(std::in_place, op, name, array);
}

}  // namespace fastnn
