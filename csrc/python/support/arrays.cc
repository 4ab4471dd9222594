#include "python/support/arrays.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "ops/layout.h"

namespace fastnn {
namespace {

// The base class of NumPy's scalars, which have a buffer but are not arrays.
py::object numpy_generic() { return py::module_::import("numpy").attr("generic"); }

// NumPy arrays pass as they are; other libraries' arrays through DLPack or the buffer protocol.
py::array as_numpy(const View& view, py::handle array) {
  const auto* ndarray = reinterpret_cast<PyObject*>(py::detail::npy_api::get().PyArray_Type_);
  if (reinterpret_cast<PyObject*>(Py_TYPE(array.ptr())) == ndarray) return py::reinterpret_borrow<py::array>(array);
  const char* op = view.op;
  const std::string name = view.name(), need = "an array (NumPy, DLPack or the buffer protocol)";
  if (py::isinstance<py::array>(array)) {
    if (PyObject_HasAttrString(array.ptr(), "_mask")) fail_type(op, name, need, "a masked array");
    return py::reinterpret_borrow<py::array>(array);
  }
  const std::string type = py::str(py::type::handle_of(array).attr("__name__"));
  if (!py::isinstance(array, numpy_generic())) {
    if (py::object over = over_device_memory(array)) return over;
    if (!PyType_Check(array.ptr()) && py::hasattr(array, "__dlpack_device__")) {
      constexpr int kCpu = 1, kCpuPinned = 3;
      const int device = py::int_(py::object(array.attr("__dlpack_device__")()[py::int_(0)])).cast<int>();
      if (device != kCpu && device != kCpuPinned)
        fail_value(op, name, "on the CPU or on a CUDA device",
                   type + " on DLPack device type " + std::to_string(device));
      return py::module_::import("numpy").attr("from_dlpack")(array);
    }
    if (PyObject_CheckBuffer(array.ptr()))
      return py::module_::import("numpy").attr("asarray")(py::memoryview(py::reinterpret_borrow<py::object>(array)));
  }
  fail_type(op, name, need, type);
}

// As the libraries' interfaces name it, and ml_dtypes: two bytes without a meaning to NumPy.
bool is_bfloat16(const py::dtype& type) { return type.kind() == 'V' && type.itemsize() == 2; }

template <class T>
constexpr const char* kTypeString = "f4";
template <>
constexpr const char* kTypeString<double> = "f8";
template <>
constexpr const char* kTypeString<Float16> = "f2";
template <>
constexpr const char* kTypeString<Bfloat16> = "V2";

bool ranges_overlap(const View& a, const View& b) {
  auto range = [](const View& v) {
    const char *low = v.data, *high = v.data + v.itemsize();
    for (int i = 0; i < v.rank(); ++i) {
      const int64_t reach = (v.shape[i] - 1) * v.strides[i];
      (reach < 0 ? low : high) += reach;
    }
    return std::pair{low, high};
  };
  if (a.size() == 0 || b.size() == 0) return false;
  const auto [a_low, a_high] = range(a);
  const auto [b_low, b_high] = range(b);
  return a_low < b_high && b_low < a_high;
}

}  // namespace

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (int i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

void fail_value(const char* op, const std::string& argument, const std::string& need, const std::string& got) {
  throw py::value_error(std::string(op) + ": " + argument + " must be " + need + ", got " + got);
}
void fail_type(const char* op, const std::string& argument, const std::string& need, const std::string& got) {
  throw py::type_error(std::string(op) + ": " + argument + " must be " + need + ", got " + got);
}

const char* name_of(Dtype dtype) {
  constexpr const char* names[] = {"float16", "bfloat16", "float32", "float64", "integers", "others"};
  return names[static_cast<int>(dtype)];
}

View::View(const char* op_, const char* role_, py::handle array_, int index_) : op(op_), role(role_), index(index_) {
  const py::array array = as_numpy(*this, array_);
  const py::dtype type = array.dtype();
  owner = array;
  const DeviceMemory* memory = device_memory_of(array);
  DeviceCall* call = DeviceCall::current();
  if (call ? !call->enter(role, memory) : memory != nullptr) {
    const int device = call ? call->device() : DeviceCall::kCpu;
    fail_value(op, name(), "on " + device_name(device) + (call ? std::string(" like ") + call->first_role() : ""),
               "an array on " + device_name(memory ? memory->device : DeviceCall::kCpu));
  }
  if (type.byteorder() == '>' || type.byteorder() == '!') fail_type(op, name(), "in native byte order", dtype_name());
  const char kind = type.kind();
  if (memory && kind == 'f' && type.itemsize() == 2)
    dtype = Dtype::f16;
  else if (memory && is_bfloat16(type))
    dtype = Dtype::bf16;
  else if (kind == 'f' && type.itemsize() == 4)
    dtype = Dtype::f32;
  else if (kind == 'f' && type.itemsize() == 8)
    dtype = Dtype::f64;
  else if (kind == 'i' || kind == 'u')
    dtype = Dtype::integer;
  if (array.ndim() > kMaxRank)
    fail_value(op, name(), "of rank at most " + std::to_string(kMaxRank), std::to_string(array.ndim()));
  for (int i = 0; i < array.ndim(); ++i) {
    shape.push_back(array.shape(i));
    strides.push_back(array.strides(i));
  }
  data = static_cast<char*>(const_cast<void*>(array.data()));
  writable = array.writeable();
}

std::string View::name() const {
  return index < 0 ? std::string(role) : std::string(role) + "[" + std::to_string(index) + "]";
}

std::string View::dtype_name() const {
  return dtype == Dtype::bf16 ? std::string("bfloat16") : std::string(py::str(owner.attr("dtype")));
}

int64_t View::size() const {
  int64_t n = 1;
  for (int64_t s : shape) n *= s;
  return n;
}

std::string View::got() const { return dtype_name() + " " + to_string(shape); }

void View::need_float() const {
  if (dtype != Dtype::f32 && dtype != Dtype::f64) fail_type(op, name(), "float32 or float64", got());
}
void View::need_storage() const {
  if (is_half()) return;
  if (const DeviceCall* call = DeviceCall::current(); !call || !call->on_device()) return need_float();
  if (dtype != Dtype::f32 && dtype != Dtype::f64) fail_type(op, name(), "float16, bfloat16, float32 or float64", got());
}
void View::need_parameter(const View& other) const {
  if (!other.is_half()) return need_like(other);
  if (dtype != Dtype::f32) fail_type(op, name(), "float32 beside " + other.name() + " of " + other.dtype_name(), got());
}
void View::need_like(const View& other) const {
  if (dtype != other.dtype) fail_type(op, name(), other.dtype_name() + " like " + other.name(), got());
}
void View::need_rank(int least, int most) const {
  if (rank() >= least && rank() <= most) return;
  const std::string need = least == most      ? "of rank " + std::to_string(least)
                           : most >= kMaxRank ? "of rank " + std::to_string(least) + " or more"
                                              : "of rank " + std::to_string(least) + " to " + std::to_string(most);
  fail_value(op, name(), need, got());
}
void View::need_shape(const Shape& need) const {
  if (shape != need) fail_value(op, name(), "of shape " + to_string(need), got());
}
void View::need_writable() const {
  if (!writable) fail_value(op, name(), "writable", "a read-only array");
}

bool View::is_aligned() const { return reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(itemsize()) == 0; }

bool View::is_dense_in(const Order& order) const {
  if (size() == 0) return true;
  int64_t stride = itemsize();
  for (int i = rank() - 1; i >= 0; --i) {
    const int axis = order[i];
    if (shape[axis] == 1) continue;
    if (strides[axis] != stride) return false;
    stride *= shape[axis];
  }
  return true;
}

bool View::is_channels_last() const { return is_dense_in(channels_last_order(rank())); }

Order c_order(int rank) {
  Order order;
  for (int i = 0; i < rank; ++i) order.push_back(i);
  return order;
}

Order channels_last_order(int rank) {
  Order order;
  for (int i = 0; i < rank; ++i)
    if (rank < 3 || i != 1) order.push_back(i);
  if (rank >= 3) order.push_back(1);
  return order;
}

Order own_order(const View& x) {
  const Order plain = c_order(x.rank());
  return x.is_dense_in(plain) && !x.is_channels_last() ? plain : channels_last_order(x.rank());
}

int64_t product(const char* op, const std::string& name, const Shape& shape) {
  int64_t n = 8;  // room for the bytes of the largest dtype
  for (int64_t s : shape)
    if (__builtin_mul_overflow(n, s, &n)) fail_value(op, name, "of fewer than 2^60 elements", to_string(shape));
  return n / 8;
}

Workspace::Workspace(int64_t bytes) {
  if (bytes <= 0) return;
  if (const DeviceCall* call = DeviceCall::current(); call && call->on_device()) {
    py::array memory = call->empty(py::make_tuple(bytes), py::make_tuple(0), "u1");
    data_ = memory.mutable_data();
    on_device_ = std::move(memory);
  } else {
    buffer_ = std::make_unique<Buffer>(bytes);
    data_ = buffer_->get();
  }
}

void need_disjoint(const View& written, const View& other) {
  if (ranges_overlap(written, other))
    fail_value(written.op, written.name(), "separate memory from " + other.name(), "overlapping arrays");
}

template <class T>
Dense<T>::Dense(const View& view) : Dense(view, channels_last_order(view.rank())) {}

template <class T>
Dense<T>::Dense(const View& view, const Order& order) {
  if (view.is_aligned() && view.is_dense_in(order)) {
    data_ = reinterpret_cast<const T*>(view.data);
    return;
  }
  copy_ = std::make_unique<Workspace>(view.size() * static_cast<int64_t>(sizeof(T)));
  copy_elements(view, order, static_cast<T*>(copy_->get()));
  data_ = static_cast<const T*>(copy_->get());
}

template <class T>
void copy_elements(const View& x, const Order& order, T* dst) {
  StridedCopyArgs<T> args{};
  args.src = x.data;
  args.dst = dst;
  args.rank = x.rank();
  for (int i = 0; i < x.rank(); ++i) {
    args.shape[i] = x.shape[order[i]];
    args.strides[i] = x.strides[order[i]];
  }
  args.width = num_threads();
  without_gil(2 * x.size() * static_cast<int64_t>(sizeof(T)), [&] { strided_copy(args); });
}

template <class T>
py::array new_host_array(const Shape& shape, const Order& order) {
  Shape strides(shape.size());
  int64_t stride = sizeof(T);
  for (int i = shape.size() - 1; i >= 0; --i) {
    strides[order[i]] = stride;
    stride *= std::max<int64_t>(shape[order[i]], 1);
  }
  int64_t n = sizeof(T);
  for (int64_t s : shape) n *= s;
  void* data = pool_allocate(static_cast<size_t>(std::max<int64_t>(n, 1)));
  py::capsule owner(data, [](void* p) { pool_release(p); });
  return py::array(py::dtype::of<T>(), py::array::ShapeContainer(shape.begin(), shape.end()),
                   py::array::StridesContainer(strides.begin(), strides.end()), data, owner);
}

template <class T>
py::array new_array(const Shape& shape) {
  return new_array<T>(shape, channels_last_order(shape.size()));
}

template <class T>
py::array new_array(const Shape& shape, const Order& order) {
  if (const DeviceCall* call = DeviceCall::current(); call && call->on_device()) {
    py::tuple sizes(shape.size()), axes(shape.size());
    for (int i = 0; i < shape.size(); ++i) sizes[i] = shape[i], axes[i] = order[i];
    return call->empty(sizes, axes, kTypeString<T>);
  }
  if constexpr (kHalf<T>)
    throw std::logic_error("float16 and bfloat16 are for devices");
  else
    return new_host_array<T>(shape, order);
}

#define FASTNN_ARRAYS_OF(T)                                      \
  template class Dense<T>;                                       \
  template void copy_elements<T>(const View&, const Order&, T*); \
  template py::array new_array<T>(const Shape&);                 \
  template py::array new_array<T>(const Shape&, const Order&);
FASTNN_ARRAYS_OF(Float16)
FASTNN_ARRAYS_OF(Bfloat16)
FASTNN_ARRAYS_OF(float)
FASTNN_ARRAYS_OF(double)
#undef FASTNN_ARRAYS_OF

}  // namespace fastnn
