// Rows along memory ("lines") and rows across it ("columns", a few vectors side by side). Both add a row's
// terms in the same order, term k to partial sum k % kLanes, so that the bits do not depend on the layout. Short lines
// are turned into columns: a row of two vectors would spend its time in folding them (2.5 times that of the columns).
#include "ops/softmax.h"

#include "core/vec_shuffle.h"
#include "cpu/pixels.h"
#include "cpu/tile.h"
#include "formulas/softmax.h"

namespace fastnn::FASTNN_ISA {
namespace {

template <class T>
FASTNN_INLINE Vec<T> keep_lanes(Vec<T> v, int64_t lanes, T rest) {
  if (lanes == kLanes<T>) return v;
  return select<T>(lane_numbers<T>() < static_cast<Int<T>>(lanes), v, splat(rest));
}

template <class T>
struct Softmax {
  const SoftmaxArgs<T> a;  // a copy, which no store can alias
  static constexpr int64_t kW = kLanes<T>;
  static constexpr int kSide = 4;  // vectors of a column group: 256 bytes a row of memory

  bool lines() const { return a.inner == 1; }
  bool turns() const { return lines() && !a.dy && a.length <= 2 * kW && a.outer >= kW; }
  int64_t groups() const { return (a.inner + kSide * kW - 1) / (kSide * kW); }
  int64_t row_elements() const { return lines() ? a.length : a.length * kSide * kW; }
  // 16 KB a block, at least 4 us of work.
  Pieces blocks() const {
    const int64_t bytes = row_elements() * static_cast<int64_t>(sizeof(T));
    if (turns()) return Pieces((a.outer + kW - 1) / kW, 16384 / (bytes * kW) + 1);
    return Pieces(lines() ? a.outer : a.outer * groups(), 16384 / bytes + 1);
  }
  // Elements a worker: a row of exponentials, whole vectors, and the partial sums of a group; for lines that are
  // turned the square and what it becomes, too.
  int64_t scratch() const {
    if (turns()) return column_scratch() + 4 * kW * kW;
    return lines() ? (a.length + 15) / 16 * 16 : column_scratch();
  }
  int64_t column_scratch() const { return (a.length + kW) * kSide * kW; }
  int64_t workspace() const { return a.width * scratch() * static_cast<int64_t>(sizeof(T)); }

  template <class Body>
  FASTNN_MEMBER void along(const Body& body) const {
    int64_t k = 0;
    for (; k + kW <= a.length; k += kW) body(k, kW);
    if (k < a.length) body(k, a.length - k);
  }
  FASTNN_MEMBER Vec<T> get(const T* p, int64_t lanes) const { return lanes == kW ? load(p) : load_n(p, lanes); }
  template <bool kStreaming>
  FASTNN_MEMBER void put_lanes(T* p, Vec<T> v, int64_t lanes) const {
    if (lanes == kW)
      put<kStreaming>(p, v);
    else
      store_n(p, v, lanes);
  }

  template <bool kLog, bool kStreaming>
  FASTNN_MEMBER void line(int64_t row, T* e) const {
    const T* x = a.in + row * a.length;
    T* y = a.out + row * a.length;
    Vec<T> tops = splat(kLowest<T>), sums{};
    along(
        [&](int64_t k, int64_t lanes) { tops = larger<T>(keep_lanes<T>(get(x + k, lanes), lanes, kLowest<T>), tops); });
    const T top = fold_lanes<T>(tops, [](Vec<T> p, Vec<T> q) { return larger<T>(p, q); });
    along([&](int64_t k, int64_t lanes) {
      const Vec<T> p = exp<T>(keep_lanes<T>(get(x + k, lanes), lanes, kLowest<T>) - top);
      if constexpr (!kLog) store(e + k, p);
      sums += keep_lanes<T>(p, lanes, 0);
    });
    const Vec<T> factor = factor_of<kLog, T>(splat(sum_lanes<T>(sums)));
    along([&](int64_t k, int64_t lanes) {
      put_lanes<kStreaming>(y + k, kLog ? get(x + k, lanes) - top - factor : load(e + k) * factor, lanes);
    });
  }

  template <bool kLog, bool kStreaming>
  FASTNN_MEMBER void line_gradient(int64_t row) const {
    const T *dy = a.dy + row * a.length, *y = a.in + row * a.length;
    T* dx = a.out + row * a.length;
    Vec<T> sums{};
    along([&](int64_t k, int64_t lanes) { sums += gradient_term<kLog, T>(get(dy + k, lanes), get(y + k, lanes)); });
    const Vec<T> sum = splat(sum_lanes<T>(sums));
    along([&](int64_t k, int64_t lanes) {
      put_lanes<kStreaming>(dx + k, gradient<kLog, T>(get(dy + k, lanes), get(y + k, lanes), sum), lanes);
    });
  }

  // Lane 0 of fold_lanes, for every column: the partial sums' halves folded onto each other.
  template <int NV>
  FASTNN_MEMBER void fold(T* partial) const {
    for (int64_t half = kW / 2; half > 0; half /= 2)
      for (int64_t i = 0; i < half; ++i)
        for (int v = 0; v < NV; ++v) {
          T* p = partial + (i * kSide + v) * kW;
          store(p, load(p) + load(p + half * kSide * kW));
        }
  }
  // Adds term(k, v) to partial sum k % kW of column vector v, for all k.
  template <int NV, class Term>
  FASTNN_MEMBER void sum_columns(T* partial, const Term& term) const {
    for (int64_t i = 0; i < kW; ++i)
      for (int v = 0; v < NV; ++v) store(partial + (i * kSide + v) * kW, Vec<T>{});
    for (int64_t k = 0; k < a.length; ++k)
      for (int v = 0; v < NV; ++v) {
        T* p = partial + (k % kW * kSide + v) * kW;
        store(p, load(p) + term(k, v));
      }
    fold<NV>(partial);
  }

  // NV vectors of columns from element `at` on, the last of `lanes` lanes.
  template <bool kLog, bool kStreaming, int NV>
  FASTNN_MEMBER void columns(int64_t at, int64_t lanes, T* e) const {
    const T* x = a.in + at;
    T *y = a.out + at, *partial = e + a.length * kSide * kW;
    Vec<T> top[NV], factor[NV];
    const auto get_x = [&](int64_t k, int v) { return get(x + k * a.inner + v * kW, v == NV - 1 ? lanes : kW); };
    for (int v = 0; v < NV; ++v) top[v] = splat(kLowest<T>);
    for (int64_t k = 0; k < a.length; ++k)
      for (int v = 0; v < NV; ++v) top[v] = larger<T>(get_x(k, v), top[v]);
    sum_columns<NV>(partial, [&](int64_t k, int v) {
      const Vec<T> p = exp<T>(get_x(k, v) - top[v]);
      if constexpr (!kLog) store(e + (k * kSide + v) * kW, p);
      return p;
    });
    for (int v = 0; v < NV; ++v) factor[v] = factor_of<kLog, T>(load(partial + v * kW));
    for (int64_t k = 0; k < a.length; ++k)
      for (int v = 0; v < NV; ++v) {
        const Vec<T> r = kLog ? get_x(k, v) - top[v] - factor[v] : load(e + (k * kSide + v) * kW) * factor[v];
        put_lanes<kStreaming>(y + k * a.inner + v * kW, r, v == NV - 1 ? lanes : kW);
      }
  }

  template <bool kLog, bool kStreaming, int NV>
  FASTNN_MEMBER void column_gradients(int64_t at, int64_t lanes, T* partial) const {
    const T *dy = a.dy + at, *y = a.in + at;
    T* dx = a.out + at;
    const auto get_at = [&](const T* p, int64_t k, int v) {
      return get(p + k * a.inner + v * kW, v == NV - 1 ? lanes : kW);
    };
    sum_columns<NV>(partial,
                    [&](int64_t k, int v) { return gradient_term<kLog, T>(get_at(dy, k, v), get_at(y, k, v)); });
    for (int64_t k = 0; k < a.length; ++k)
      for (int v = 0; v < NV; ++v) {
        const Vec<T> r = gradient<kLog, T>(get_at(dy, k, v), get_at(y, k, v), load(partial + v * kW));
        put_lanes<kStreaming>(dx + k * a.inner + v * kW, r, v == NV - 1 ? lanes : kW);
      }
  }

  template <bool kLog, bool kStreaming, int NV>
  void some_columns(int64_t at, int64_t lanes, T* scratch_row) const {
    if (a.dy)
      column_gradients<kLog, kStreaming, NV>(at, lanes, scratch_row);
    else
      columns<kLog, kStreaming, NV>(at, lanes, scratch_row);
  }

  // kW lines as the columns of a square, or of two.
  template <bool kLog, bool kStreaming>
  void turned_lines(int64_t first, T* e) const {
    T *square = e + column_scratch(), *flat = square + 2 * kW * kW;
    turn([&](int64_t row, int64_t k, int64_t n) { return load_n(a.in + (first + row) * a.length + k, n); },
         [&](int64_t k, int64_t column, int64_t, Vec<T> v) { store(square + (column + k) * kW, v); });
    SoftmaxArgs<T> b = a;
    b.in = b.out = square, b.inner = kW;
    Softmax{b}.template columns<kLog, false, 1>(0, kW, e);
    turn([&](int64_t k, int64_t column, int64_t) { return load(square + (column + k) * kW); },
         [&](int64_t row, int64_t k, int64_t n, Vec<T> v) { store_n(flat + row * a.length + k, v, n); });
    for (int64_t k = 0; k < a.length; ++k) put<kStreaming>(a.out + first * a.length + k * kW, load(flat + k * kW));
  }
  // Squares of vectors get(i, k, n), i = 0 ... kW - 1, for k = 0, kW, ..., n of whose columns count, turned.
  template <class Get, class Put>
  FASTNN_MEMBER void turn(const Get& get, const Put& put) const {
    along([&](int64_t k, int64_t n) {
      Vec<T> v[kW];
#pragma GCC unroll 16
      for (int64_t i = 0; i < kW; ++i) v[i] = get(i, k, n);
      transpose<T>(v);
#pragma GCC unroll 16
      for (int64_t i = 0; i < kW; ++i) put(i, k, n, v[i]);
    });
  }

  template <bool kLog, bool kStreaming>
  void item(int64_t i, T* scratch_row) const {
    if (turns()) {
      const int64_t first = i * kW;
      if (first + kW <= a.outer) return turned_lines<kLog, kStreaming>(first, scratch_row);
      for (int64_t row = first; row < a.outer; ++row) line<kLog, false>(row, scratch_row);
      return;
    }
    if (lines()) {
      if (a.dy)
        line_gradient<kLog, kStreaming>(i);
      else
        line<kLog, kStreaming>(i, scratch_row);
      return;
    }
    const int64_t first = i % groups() * kSide * kW, base = i / groups() * a.length * a.inner;
    int64_t c = first;
    if (c + kSide * kW <= a.inner) return some_columns<kLog, kStreaming, kSide>(base + c, kW, scratch_row);
    for (; c < a.inner; c += kW)
      some_columns<kLog, kStreaming, 1>(base + c, c + kW <= a.inner ? kW : a.inner - c, scratch_row);
  }

  template <bool kLog, bool kStreaming>
  void run_as() const {
    const Pieces p = blocks();
    // An exponential costs about as much as 16 bytes of traffic, a row as 256.
    const int64_t bytes = a.outer * a.inner * (256 + 4 * a.length * static_cast<int64_t>(sizeof(T)));
    parallel_blocks(p.count, a.width, bytes, [&](int64_t block, int worker) {
      const Softmax own{a};
      T* scratch_row = static_cast<T*>(own.a.workspace) + worker * scratch();
      for (int64_t i = p.begin(block); i < p.begin(block + 1); ++i) own.template item<kLog, kStreaming>(i, scratch_row);
      if (kStreaming) stream_fence();
    });
  }

  void run() const {
    const bool streaming =
        turns() ? can_stream(a.out, a.outer * a.length)
                : can_stream_pixels(a.out, a.outer * (lines() ? 1 : a.length), lines() ? a.length : a.inner);
    if (a.log)
      streaming ? run_as<true, true>() : run_as<true, false>();
    else
      streaming ? run_as<false, true>() : run_as<false, false>();
  }
};

}  // namespace

int64_t softmax_workspace(const SoftmaxArgs<float>& a) { return Softmax<float>{a}.workspace(); }
int64_t softmax_workspace(const SoftmaxArgs<double>& a) { return Softmax<double>{a}.workspace(); }
void softmax(const SoftmaxArgs<float>& a) { Softmax<float>{a}.run(); }
void softmax(const SoftmaxArgs<double>& a) { Softmax<double>{a}.run(); }

}  // namespace fastnn::FASTNN_ISA
