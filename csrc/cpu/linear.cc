#include "ops/linear.h"

#include "core/parallel.h"
#include "cpu/tile.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Rows are summed in fixed blocks, the blocks' sums in order.
template <class T>
struct ColumnSums {
  static constexpr int64_t kBlocks = 16;
  const ColumnSumsArgs<T>& a;
  Pieces pieces() const { return Pieces(a.rows, (a.rows + kBlocks - 1) / kBlocks + (a.rows == 0)); }

  static void block(const T* x, int64_t rows, int64_t cols, T* sums) {
    constexpr int64_t kW = kLanes<T>;
    for (int64_t j = 0; j < cols; j += kW) {
      const int64_t n = cols - j < kW ? cols - j : kW;
      Vec<T> even{}, odd{};
      const bool whole = n == kW;
      int64_t r = 0;
      for (; r + 2 <= rows; r += 2) {
        even += whole ? load(x + r * cols + j) : load_n(x + r * cols + j, n);
        odd += whole ? load(x + (r + 1) * cols + j) : load_n(x + (r + 1) * cols + j, n);
      }
      if (r < rows) even += whole ? load(x + r * cols + j) : load_n(x + r * cols + j, n);
      store_n(sums + j, even + odd, n);
    }
  }

  void run() const {
    const Pieces p = pieces();
    T* partial = static_cast<T*>(a.workspace);
    parallel_blocks(p.count, a.width, a.rows * a.cols * static_cast<int64_t>(sizeof(T)),
                    [&](int64_t i, int) { block(a.x + p.begin(i) * a.cols, p.size(i), a.cols, partial + i * a.cols); });
    block(partial, p.count, a.cols, a.sums);
  }
};

}  // namespace

int64_t column_sums_workspace(const ColumnSumsArgs<float>& a) {
  return ColumnSums<float>{a}.pieces().count * a.cols * static_cast<int64_t>(sizeof(float));
}
int64_t column_sums_workspace(const ColumnSumsArgs<double>& a) {
  return ColumnSums<double>{a}.pieces().count * a.cols * static_cast<int64_t>(sizeof(double));
}
void column_sums(const ColumnSumsArgs<float>& a) { ColumnSums<float>{a}.run(); }
void column_sums(const ColumnSumsArgs<double>& a) { ColumnSums<double>{a}.run(); }

}  // namespace fastnn::FASTNN_ISA
