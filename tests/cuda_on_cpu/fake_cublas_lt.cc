// cuBLASLt's functions as far as fastnn calls them, on the CPU: naive products of column-major matrices, as strict
// about their arguments as the manual is. `fake_calls` counts products; `fake_refuse` makes no algorithm fit.
#include <cstdint>
#include <cstring>

using Status = int;
constexpr Status kInvalid = 7, kUnsupported = 15;
constexpr size_t kWorkspace = 1 << 12;

struct Operation {
  int compute = 0, scale = 0;
  int32_t transpose_a = 0, transpose_b = 0;
  uint32_t epilogue = 1;
  const void* bias = nullptr;
};
struct Layout {
  int type = 0;
  uint64_t rows = 0, cols = 0;
  int64_t leading = 0;
  int32_t batch = 1;
  int64_t stride = 0;
};
struct Preference {
  uint64_t workspace = 0;
  uint32_t schemes = 7, alignments[4] = {256, 256, 256, 256};
};
struct Heuristic {
  uint64_t algorithm[8];
  size_t workspace;
  Status status;
  float waves;
  int reserved[4];
};

static int handle_memory, calls;
static bool refuse;

template <class T>
static Status take(T* to, const void* from, size_t bytes) {
  if (bytes != sizeof(T)) return kInvalid;
  std::memcpy(to, from, bytes);
  return 0;
}

template <class T>
static void multiply(const Operation& o, const T* a, const Layout& la, const T* b, const Layout& lb, T* d,
                     const Layout& ld) {
  const uint64_t k = o.transpose_a ? la.rows : la.cols;
  for (int32_t batch = 0; batch < ld.batch; ++batch)
    for (uint64_t j = 0; j < ld.cols; ++j)
      for (uint64_t i = 0; i < ld.rows; ++i) {
        T sum = 0;
        for (uint64_t p = 0; p < k; ++p)
          sum += a[batch * la.stride + (o.transpose_a ? i * la.leading + p : p * la.leading + i)] *
                 b[batch * lb.stride + (o.transpose_b ? p * lb.leading + j : j * lb.leading + p)];
        d[batch * ld.stride + j * ld.leading + i] = o.epilogue == 4 ? sum + static_cast<const T*>(o.bias)[i] : sum;
      }
}

extern "C" {
int fake_calls() { return calls; }
void fake_refuse(int value) { refuse = value != 0; }

Status cublasLtCreate(void** handle) { return *handle = &handle_memory, 0; }
Status cublasLtMatmulDescCreate(void** o, int compute, int scale) {
  if (!(compute == 68 && scale == 0) && !(compute == 70 && scale == 1)) return kInvalid;
  return *o = new Operation{compute, scale}, 0;
}
Status cublasLtMatmulDescDestroy(void* o) { return delete static_cast<Operation*>(o), 0; }
Status cublasLtMatmulDescSetAttribute(void* o_, int attribute, const void* value, size_t bytes) {
  auto* o = static_cast<Operation*>(o_);
  switch (attribute) {
    case 3:
      return take(&o->transpose_a, value, bytes);
    case 4:
      return take(&o->transpose_b, value, bytes);
    case 7:
      return take(&o->epilogue, value, bytes);
    case 8:
      return take(&o->bias, value, bytes);
  }
  return kInvalid;
}
Status cublasLtMatrixLayoutCreate(void** layout, int type, uint64_t rows, uint64_t cols, int64_t leading) {
  if (leading < static_cast<int64_t>(rows)) return kInvalid;
  return *layout = new Layout{type, rows, cols, leading}, 0;
}
Status cublasLtMatrixLayoutDestroy(void* layout) { return delete static_cast<Layout*>(layout), 0; }
Status cublasLtMatrixLayoutSetAttribute(void* layout_, int attribute, const void* value, size_t bytes) {
  auto* layout = static_cast<Layout*>(layout_);
  if (attribute == 5) return take(&layout->batch, value, bytes);
  if (attribute == 6) return take(&layout->stride, value, bytes);
  return kInvalid;
}
Status cublasLtMatmulPreferenceCreate(void** preference) { return *preference = new Preference, 0; }
Status cublasLtMatmulPreferenceDestroy(void* preference) { return delete static_cast<Preference*>(preference), 0; }
Status cublasLtMatmulPreferenceSetAttribute(void* preference, int attribute, const void* value, size_t bytes) {
  auto* p = static_cast<Preference*>(preference);
  if (attribute == 1) return take(&p->workspace, value, bytes);
  if (attribute == 3) return take(&p->schemes, value, bytes);
  if (attribute >= 5 && attribute <= 8) return take(&p->alignments[attribute - 5], value, bytes);
  return kInvalid;
}

static Status check(const Operation& o, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
  const uint64_t m = o.transpose_a ? a.cols : a.rows, k = o.transpose_a ? a.rows : a.cols;
  const uint64_t deep = o.transpose_b ? b.cols : b.rows, n = o.transpose_b ? b.rows : b.cols;
  if (m != d.rows || n != d.cols || k != deep || c.rows != d.rows || c.cols != d.cols) return kInvalid;
  if (a.batch != d.batch || b.batch != d.batch || c.batch != d.batch) return kInvalid;
  if (a.type != o.scale || b.type != o.scale || c.type != o.scale || d.type != o.scale) return kInvalid;
  if (o.epilogue != 1 && !(o.epilogue == 4 && o.bias)) return kUnsupported;
  return 0;
}
Status cublasLtMatmulAlgoGetHeuristic(void* handle, void* o, void* a, void* b, void* c, void* d, void* preference,
                                      int wanted, Heuristic* found, int* count) {
  if (handle != &handle_memory || wanted < 1) return kInvalid;
  const auto& p = *static_cast<Preference*>(preference);
  const Status status = check(*static_cast<Operation*>(o), *static_cast<Layout*>(a), *static_cast<Layout*>(b),
                              *static_cast<Layout*>(c), *static_cast<Layout*>(d));
  *count = 0;
  if (status != 0) return status;
  if (refuse) return kUnsupported;
  *found = {{p.alignments[0], p.alignments[1], p.alignments[2], p.alignments[3]}, kWorkspace, 0, 1.0f, {}};
  *count = p.workspace >= kWorkspace;
  return 0;
}
Status cublasLtMatmul(void* handle, void* o_, const void* alpha, const void* a, void* la_, const void* b, void* lb_,
                      const void* beta, const void* c, void* lc_, void* d, void* ld_, const uint64_t* algorithm,
                      void* workspace, size_t bytes, void*) {
  const auto& o = *static_cast<Operation*>(o_);
  const Layout &la = *static_cast<Layout*>(la_), &lb = *static_cast<Layout*>(lb_), &ld = *static_cast<Layout*>(ld_);
  if (handle != &handle_memory || !alpha || !beta || c != d || !workspace || bytes < kWorkspace) return kInvalid;
  const void* operands[] = {a, b, c, d};
  for (int i = 0; i < 4; ++i)
    if (algorithm[i] == 0 || reinterpret_cast<uintptr_t>(operands[i]) % algorithm[i] != 0) return kInvalid;
  if (const Status status = check(o, la, lb, *static_cast<Layout*>(lc_), ld)) return status;
  ++calls;
  std::memset(workspace, 0xff, kWorkspace);
  if (o.scale == 0)
    multiply(o, static_cast<const float*>(a), la, static_cast<const float*>(b), lb, static_cast<float*>(d), ld);
  else
    multiply(o, static_cast<const double*>(a), la, static_cast<const double*>(b), lb, static_cast<double*>(d), ld);
  return 0;
}
}
