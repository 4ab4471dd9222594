#include "ops/multiclass_hinge.h"

#include "cpu/pixels.h"
#include "cpu/tile.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
struct HingeRows {
  const MulticlassHingeArgs<T> a;  // a copy, which no store can alias
  static constexpr int64_t kW = kLanes<T>;

  // 16 KB of scores, at least 4 us of work.
  Pieces blocks() const { return Pieces(a.n, 16384 / (a.c * static_cast<int64_t>(sizeof(T))) + 1); }

  template <bool kStreaming>
  FASTNN_MEMBER T row(int64_t r) const {
    const T* s = a.scores + r * a.c;
    T* ds = a.dscores + r * a.c;
    const int64_t y = a.classes[r];
    const Vec<T> own = splat(s[y]), zero{}, one = splat(static_cast<T>(1));
    // s_j - s_y + margin, and 0 for the class itself and beyond the row.
    const auto violation = [&](int64_t c, int64_t lanes) {
      const Vec<T> v = (lanes == kW ? load(s + c) : load_n(s + c, lanes)) - own + a.margin;
      const auto index = lane_numbers<T>();
      return select<T>((index == static_cast<Int<T>>(y - c)) | (index >= static_cast<Int<T>>(lanes)), zero, v);
    };
    const auto each = [&](const auto& body) {
      int64_t c = 0;
      for (; c + kW <= a.c; c += kW) body(c, kW);
      if (c < a.c) body(c, a.c - c);
    };
    Vec<T> sums{}, counts{};
    each([&](int64_t c, int64_t lanes) {
      const Vec<T> v = violation(c, lanes);
      sums += select<T>(v <= zero, zero, v);  // a NaN stays
      counts += select<T>(v > zero, one, zero);
    });
    const Vec<T> scale = splat(a.scale), mine = splat(-sum_lanes<T>(counts) * a.scale);
    each([&](int64_t c, int64_t lanes) {
      const Vec<T> slope = select<T>(violation(c, lanes) > zero, scale, zero);
      const Vec<T> g = select<T>(lane_numbers<T>() == static_cast<Int<T>>(y - c), mine, slope);
      if (lanes == kW)
        put<kStreaming>(ds + c, g);
      else
        store_n(ds + c, g, lanes);
    });
    return sum_lanes<T>(sums);
  }

  template <bool kStreaming>
  double run_rows() const {
    const Pieces p = blocks();
    double* sums = static_cast<double*>(a.workspace);
    // A row costs about as much as 128 bytes of traffic.
    const int64_t bytes = a.n * (128 + 2 * a.c * static_cast<int64_t>(sizeof(T)));
    parallel_blocks(p.count, a.width, bytes, [&](int64_t block, int) {
      const HingeRows rows{a};
      double sum = 0;
      for (int64_t r = p.begin(block); r < p.begin(block + 1); ++r) {
        const T loss = rows.template row<kStreaming>(r);
        if (rows.a.losses) rows.a.losses[r] = loss;
        sum += static_cast<double>(loss);
      }
      sums[block] = sum;
      if (kStreaming) stream_fence();
    });
    double sum = 0;
    for (int64_t i = 0; i < p.count; ++i) sum += sums[i];
    return sum;
  }

  int64_t workspace() const { return blocks().count * static_cast<int64_t>(sizeof(double)); }
  double run() const { return can_stream_pixels(a.dscores, a.n, a.c) ? run_rows<true>() : run_rows<false>(); }
};

}  // namespace

int64_t multiclass_hinge_workspace(const MulticlassHingeArgs<float>& a) { return HingeRows<float>{a}.workspace(); }
int64_t multiclass_hinge_workspace(const MulticlassHingeArgs<double>& a) { return HingeRows<double>{a}.workspace(); }
double multiclass_hinge(const MulticlassHingeArgs<float>& a) { return HingeRows<float>{a}.run(); }
double multiclass_hinge(const MulticlassHingeArgs<double>& a) { return HingeRows<double>{a}.run(); }

}  // namespace fastnn::FASTNN_ISA
