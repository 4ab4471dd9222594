#include "ops/softmax_cross_entropy.h"

#include "cpu/pixels.h"
#include "cpu/tile.h"
#include "formulas/math.h"

namespace fastnn::FASTNN_ISA {
namespace {

FASTNN_INLINE float log_of(float x) { return __builtin_logf(x); }
FASTNN_INLINE double log_of(double x) { return __builtin_log(x); }

// What a row's target spreads its mass over: one class, one class and a little everywhere, anything.
enum class Target { hard, smooth, soft };

template <class T>
FASTNN_INLINE Vec<T> keep_lanes(Vec<T> v, int64_t lanes, T rest) {
  if (lanes == kLanes<T>) return v;
  return select<T>(lane_numbers<T>() < static_cast<Int<T>>(lanes), v, splat(rest));
}

template <class T>
struct Rows {
  const SoftmaxCrossEntropyArgs<T> a;  // a copy, which no store can alias
  static constexpr int64_t kW = kLanes<T>;

  const T* logits_end() const { return a.logits + a.n * a.c; }
  // 16 KB of logits, at least 4 us of work.
  Pieces blocks() const { return Pieces(a.n, 16384 / (a.c * static_cast<int64_t>(sizeof(T))) + 1); }
  int64_t sums_bytes() const { return (blocks().count * static_cast<int64_t>(sizeof(double)) + 63) / 64 * 64; }
  int64_t scratch() const { return (a.c + 15) / 16 * 16; }  // elements a worker, whole cache lines
  int64_t workspace() const { return sums_bytes() + a.width * scratch() * static_cast<int64_t>(sizeof(T)); }

  // q of the classes from c on.
  template <Target K>
  __attribute__((always_inline)) Vec<T> quota(int64_t row, int64_t c, int64_t lanes) const {
    Vec<T> q = splat(a.off);
    if constexpr (K == Target::soft) {
      q = load_lanes(a.distribution + row * a.c + c, lanes, a.distribution + a.n * a.c) * a.on + a.off;
    } else {
      const T hot = K == Target::hard ? a.on : a.on + a.off;
      q = select<T>(lane_numbers<T>() == static_cast<Int<T>>(a.classes[row] - c), splat(hot), q);
    }
    if (a.weight) q *= load_lanes(a.weight + c, lanes, a.weight + a.c);
    return keep_lanes<T>(q, lanes, 0);
  }

  template <Target K, bool kStreaming>
  __attribute__((always_inline)) T row(int64_t r, T* e, const T* dlogits_end) const {
    const T* x = a.logits + r * a.c;
    T* dlogits = a.dlogits + r * a.c;
    const auto each = [&](const auto& body) {
      int64_t c = 0;
      for (; c + kW <= a.c; c += kW) body(c, kW);
      if (c < a.c) body(c, a.c - c);
    };
    const auto put_lanes = [&](int64_t c, int64_t lanes, Vec<T> y) {
      if constexpr (kStreaming)
        stream(dlogits + c, y);
      else
        store_lanes(dlogits + c, y, lanes, dlogits_end);
    };
    if (K != Target::soft && a.classes[r] < 0) {
      each([&](int64_t c, int64_t lanes) { put_lanes(c, lanes, Vec<T>{}); });
      return 0;
    }

    // A NaN need not win here: it makes the sum of the exponentials NaN and with it all results.
    constexpr T kLowest = -static_cast<T>(__builtin_inf());
    const auto larger = [](Vec<T> p, Vec<T> q) { return select<T>(p > q, p, q); };
    Vec<T> tops = splat(kLowest);
    each([&](int64_t c, int64_t lanes) {
      tops = larger(keep_lanes<T>(load_lanes(x + c, lanes, logits_end()), lanes, kLowest), tops);
    });
    const T top = fold_lanes<T>(tops, larger);

    Vec<T> exps{}, masses{}, dots{};
    each([&](int64_t c, int64_t lanes) {
      const Vec<T> shifted = keep_lanes<T>(load_lanes(x + c, lanes, logits_end()), lanes, kLowest) - top;
      const Vec<T> p = exp<T>(shifted);
      store(e + c, p);
      exps += p;
      if constexpr (K != Target::hard) {
        const Vec<T> q = quota<K>(r, c, lanes);
        masses += q;
        dots += select<T>(q == 0, q, q * shifted);  // 0 log 0 = 0
      }
    });
    const T sum = sum_lanes<T>(exps);
    T mass, dot;
    if constexpr (K == Target::hard) {
      mass = a.weight ? a.on * a.weight[a.classes[r]] : a.on;
      dot = mass == 0 ? 0 : mass * (x[a.classes[r]] - top);
    } else {
      mass = sum_lanes<T>(masses);
      dot = sum_lanes<T>(dots);
    }

    const T factor = mass * a.scale / sum;
    each(
        [&](int64_t c, int64_t lanes) { put_lanes(c, lanes, load(e + c) * factor - quota<K>(r, c, lanes) * a.scale); });
    return (mass == 0 ? 0 : mass * log_of(sum)) - dot;
  }

  template <Target K, bool kStreaming>
  double run_rows() const {
    const Pieces p = blocks();
    double* sums = static_cast<double*>(a.workspace);
    T* scratches = reinterpret_cast<T*>(static_cast<char*>(a.workspace) + sums_bytes());
    // A row costs about as much as 256 bytes of traffic, a logit's exponential as four logits.
    const int64_t bytes = a.n * (256 + 4 * a.c * static_cast<int64_t>(sizeof(T)));
    parallel_blocks(p.count, a.width, bytes, [&](int64_t block, int worker) {
      const Rows rows{a};
      T* scratch_row = scratches + worker * scratch();
      const T* end = rows.a.dlogits + p.begin(block + 1) * rows.a.c;
      double sum = 0;
      for (int64_t r = p.begin(block); r < p.begin(block + 1); ++r) {
        const T loss = rows.template row<K, kStreaming>(r, scratch_row, end);
        if (rows.a.losses) rows.a.losses[r] = loss;
        sum += loss;
      }
      sums[block] = sum;
      if (kStreaming) stream_fence();
    });
    double sum = 0;
    for (int64_t i = 0; i < p.count; ++i) sum += sums[i];
    return sum;
  }

  double run() const {
    const auto pick = [&]<Target K>() {
      return can_stream_pixels(a.dlogits, a.n, a.c) ? run_rows<K, true>() : run_rows<K, false>();
    };
    if (!a.classes) return pick.template operator()<Target::soft>();
    return a.off == 0 ? pick.template operator()<Target::hard>() : pick.template operator()<Target::smooth>();
  }
};

}  // namespace

int64_t softmax_cross_entropy_workspace(const SoftmaxCrossEntropyArgs<float>& a) { return Rows<float>{a}.workspace(); }
int64_t softmax_cross_entropy_workspace(const SoftmaxCrossEntropyArgs<double>& a) {
  return Rows<double>{a}.workspace();
}
double softmax_cross_entropy(const SoftmaxCrossEntropyArgs<float>& a) { return Rows<float>{a}.run(); }
double softmax_cross_entropy(const SoftmaxCrossEntropyArgs<double>& a) { return Rows<double>{a}.run(); }

}  // namespace fastnn::FASTNN_ISA
