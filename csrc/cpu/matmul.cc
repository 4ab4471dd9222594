#include "ops/matmul.h"

#include "cpu/dots.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
Gemm<T> as_gemm(const MatmulArgs<T>& a) {
  Gemm<T> g{};
  g.m = a.m;
  g.n = a.n;
  g.k = a.k;
  g.a = {a.a, a.a_row, a.a_col};
  g.b = {a.b, a.b_row, a.b_col};
  g.c = a.c;
  g.c_row = a.n;
  g.epilogue = {a.bias, a.activation, a.activation_parameter, a.activation_parameter};
  g.width = a.width;
  g.batch = {a.batch_rank, a.batch_shape, a.a_batch, a.b_batch};
  g.pairs = a.bfloat16;
  g.plan();
  return g;
}

template <class T>
bool as_dots(const MatmulArgs<T>& a) {
  return a.along_k && !as_gemm(a).pairs && Dots<T>::suits(a.m, a.n, a.k);
}

template <class T>
int64_t workspace(const MatmulArgs<T>& a) {
  return as_dots(a) ? 0 : as_gemm(a).workspace();
}

template <class T>
void run(const MatmulArgs<T>& a) {
  Gemm<T> g = as_gemm(a);
  if (as_dots(a)) {
    g.width = a.width;
    Dots<T>{g}.run();
  } else {
    g.run(a.workspace);
  }
}

}  // namespace

int64_t matmul_workspace(const MatmulArgs<float>& a) { return workspace(a); }
int64_t matmul_workspace(const MatmulArgs<double>& a) { return workspace(a); }
void matmul(const MatmulArgs<float>& a) { run(a); }
void matmul(const MatmulArgs<double>& a) { run(a); }

}  // namespace fastnn::FASTNN_ISA
