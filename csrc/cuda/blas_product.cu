#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "cuda/blas_product.h"
#include "cuda/cublas_lt.h"
#include "cuda/launch.h"

namespace fastnn::cuda {
namespace {

constexpr uint64_t kMostWorkspace = 32 << 20;
constexpr int64_t kWorthwhile = 1 << 18;  // multiply-adds: below, its calls on the host take longer than our kernel
constexpr int64_t kMostExtent = 0x7fffffff;

// A matrix as columns side by side in memory.
struct Operand {
  bool transposed;
  int64_t rows, cols, leading, batch_stride;
};

// Element (i, j) of the matrix wanted lies at i * down + j * across; false if neither can be a column.
bool describe(int64_t rows, int64_t cols, int64_t down, int64_t across, Operand* x) {
  const auto leading = [](int64_t stride, int64_t rows, int64_t cols) { return cols == 1 ? rows : stride; };
  x->transposed = !(down == 1 && leading(across, rows, cols) >= rows);
  if (x->transposed && !(across == 1 && leading(down, cols, rows) >= cols)) return false;
  x->rows = x->transposed ? cols : rows;
  x->cols = x->transposed ? rows : cols;
  x->leading = leading(x->transposed ? down : across, x->rows, x->cols);
  return x->leading <= kMostExtent && rows <= kMostExtent && cols <= kMostExtent;
}

// The one stride that steps through the whole batch.
bool one_stride(int rank, const int64_t* shape, const int64_t* strides, int64_t* stride) {
  bool found = false;
  int64_t next = 0;
  *stride = 0;
  for (int axis = rank - 1; axis >= 0; --axis) {
    if (shape[axis] == 1) continue;
    if (found && strides[axis] != next) return false;
    if (!found) *stride = strides[axis];
    found = true;
    next = strides[axis] * shape[axis];
  }
  return *stride >= 0;
}

// A product in cuBLASLt's terms, whose matrices are columns: C^T = B^T A^T. Also the key of its algorithm.
struct Product {
  int64_t element_bytes, device, bias, batch;
  Operand left, right;  // B^T (n, k), A^T (k, m)
  int64_t m, n;
  uint32_t alignments[4];  // of left, right and twice the result
  bool operator<(const Product& other) const { return std::memcmp(this, &other, sizeof(Product)) < 0; }
};
static_assert(std::is_trivially_copyable_v<Product>);

uint32_t alignment(const void* address) {
  const auto value = reinterpret_cast<uintptr_t>(address);
  return value % 16 == 0 ? 16 : value % 8 == 0 ? 8 : 4;
}

template <class T>
bool describe(const MatmulArgs<T>& a, Product* p) {
  int64_t batch = 1;
  for (int axis = 0; axis < a.batch_rank; ++axis) batch *= a.batch_shape[axis];
  if (batch > kMostExtent || static_cast<double>(batch) * a.m * a.n * a.k < kWorthwhile) return false;
  std::memset(p, 0, sizeof(Product));  // padding too: it is compared
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return false;
  p->element_bytes = sizeof(T), p->device = device, p->bias = a.bias ? alignment(a.bias) : 0, p->batch = batch;
  p->m = a.m, p->n = a.n;
  p->alignments[0] = alignment(a.b), p->alignments[1] = alignment(a.a);
  p->alignments[2] = p->alignments[3] = alignment(a.c);
  return describe(a.n, a.k, a.b_col, a.b_row, &p->left) && describe(a.k, a.m, a.a_col, a.a_row, &p->right) &&
         one_stride(a.batch_rank, a.batch_shape, a.b_batch, &p->left.batch_stride) &&
         one_stride(a.batch_rank, a.batch_shape, a.a_batch, &p->right.batch_stride);
}

// Its objects, with what went wrong on the way.
class Call {
 public:
  Call(const lt::Library& library, const Product& p, const void* bias) : lt_(library) {
    const bool wide = p.element_bytes == 8;
    const int type = wide ? lt::kDouble : lt::kFloat;
    note(lt_.create_operation(&operation, wide ? lt::kComputeDouble : lt::kComputeFloat, type));
    note(lt_.create_layout(&left, type, p.left.rows, p.left.cols, p.left.leading));
    note(lt_.create_layout(&right, type, p.right.rows, p.right.cols, p.right.leading));
    note(lt_.create_layout(&result, type, p.n, p.m, p.n));
    if (status_ != 0) return;
    const int32_t transposed[] = {p.left.transposed, p.right.transposed}, batch = static_cast<int32_t>(p.batch);
    set_operation(lt::kTransposeA, transposed[0]);
    set_operation(lt::kTransposeB, transposed[1]);
    set_operation(lt::kEpilogue, bias ? lt::kBias : lt::kNoEpilogue);
    if (bias) set_operation(lt::kBiasPointer, bias);
    if (batch == 1) return;
    const int64_t strides[] = {p.left.batch_stride, p.right.batch_stride, p.m * p.n};
    const lt::Object layouts[] = {left, right, result};
    for (int i = 0; i < 3; ++i) {
      note(lt_.set_layout(layouts[i], lt::kBatchCount, &batch, sizeof(batch)));
      note(lt_.set_layout(layouts[i], lt::kBatchStride, &strides[i], sizeof(strides[i])));
    }
  }
  ~Call() {
    if (operation) lt_.destroy_operation(operation);
    for (lt::Object layout : {left, right, result})
      if (layout) lt_.destroy_layout(layout);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  lt::Status status() const { return status_; }

  lt::Object operation = nullptr, left = nullptr, right = nullptr, result = nullptr;

 private:
  void note(lt::Status status) {
    if (status_ == 0) status_ = status;
  }
  template <class V>
  void set_operation(int attribute, const V& value) {
    note(lt_.set_operation(operation, attribute, &value, sizeof(value)));
  }
  const lt::Library& lt_;
  lt::Status status_ = 0;
};

struct Plan {
  bool usable;
  int64_t workspace;
  lt::Algorithm algorithm;
};

Plan find_plan(const lt::Session& session, const Product& p, const void* bias) {
  const lt::Library& library = *session.library;
  const Call call(library, p, bias);
  lt::Object preference = nullptr;
  if (call.status() != 0 || library.create_preference(&preference) != 0) return {};
  lt::Status status = library.set_preference(preference, lt::kMostWorkspace, &kMostWorkspace, sizeof(kMostWorkspace));
  status |= library.set_preference(preference, lt::kReductionSchemes, &lt::kReduceInWorkspace, sizeof(uint32_t));
  for (int i = 0; i < 4; ++i)
    status |= library.set_preference(preference, lt::kAlignmentA + i, &p.alignments[i], sizeof(uint32_t));
  lt::Heuristic found{};
  int count = 0;
  if (status == 0)
    status = library.find(session.handle, call.operation, call.left, call.right, call.result, call.result, preference,
                          1, &found, &count);
  library.destroy_preference(preference);
  if (status != 0 || count < 1 || found.status != 0 || found.workspace > kMostWorkspace) return {};
  return {true, static_cast<int64_t>(found.workspace), found.algorithm};
}

// The plans this thread has asked for: a network repeats its shapes.
const Plan& plan_of(const lt::Session& session, const Product& p, const void* bias) {
  constexpr size_t kMost = 1024;
  thread_local std::map<Product, Plan> known;
  thread_local uint64_t generation = 0;
  if (generation != session.generation || known.size() >= kMost) known.clear();
  generation = session.generation;
  const auto [entry, is_new] = known.try_emplace(p);
  if (is_new) entry->second = find_plan(session, p, bias);
  return entry->second;
}

// The plan of a product, or null where our own kernel takes it.
template <class T>
const Plan* plan_of(const MatmulArgs<T>& a, lt::Session* session, Product* p) {
  if (!describe(a, p)) return nullptr;
  *session = lt::session();
  if (!session->library) return nullptr;
  const Plan& plan = plan_of(*session, *p, a.bias);
  return plan.usable ? &plan : nullptr;
}

}  // namespace

template <class T>
bool blas_workspace(const MatmulArgs<T>& a, int64_t* bytes) {
  lt::Session session;
  Product p;
  const Plan* plan = plan_of(a, &session, &p);
  if (plan) *bytes = plan->workspace;
  return plan != nullptr;
}

template <class T>
bool blas_matmul(const MatmulArgs<T>& a) {
  lt::Session session;
  Product p;
  const Plan* plan = plan_of(a, &session, &p);
  if (!plan) return false;
  const Call call(*session.library, p, a.bias);
  const T one = 1, zero = 0;
  lt::Status status = call.status();
  if (status == 0)
    status = session.library->multiply(session.handle, call.operation, &one, a.b, call.left, a.a, call.right, &zero,
                                       a.c, call.result, a.c, call.result, &plan->algorithm, a.workspace,
                                       static_cast<size_t>(plan->workspace), stream());
  if (status != 0) throw std::runtime_error("matmul: cuBLASLt error " + std::to_string(status));
  if (a.activation != Activation::none)
    activation_forward(ActivationArgs<T>{a.activation, a.activation_parameter, p.batch * a.m * a.n, a.c, a.c, a.width});
  return true;
}

template bool blas_workspace(const MatmulArgs<float>&, int64_t*);
template bool blas_workspace(const MatmulArgs<double>&, int64_t*);
template bool blas_matmul(const MatmulArgs<float>&);
template bool blas_matmul(const MatmulArgs<double>&);

}  // namespace fastnn::cuda
