// Calling the matmul and column-sum kernels with their workspace.
#pragma once

#include "ops/linear.h"
#include "python/support/arrays.h"
#include "python/support/matmul_precision.h"

namespace fastnn {

template <class T>
void run_matmul(MatmulArgs<T> args) {
  args.bfloat16 = may_round_to_bfloat16();
  const Workspace workspace(matmul_workspace(args));
  args.workspace = workspace.get();
  without_gil(args.m * args.n + (args.m + args.n) * args.k + args.m * args.n * args.k / 8, [&] { matmul(args); });
}

template <class T>
void run_column_sums(int64_t rows, int64_t cols, const T* x, T* sums) {
  ColumnSumsArgs<T> args{rows, cols, x, sums, nullptr, num_threads()};
  const Workspace workspace(column_sums_workspace(args));
  args.workspace = workspace.get();
  without_gil(rows * cols * static_cast<int64_t>(sizeof(T)), [&] { column_sums(args); });
}

}  // namespace fastnn
