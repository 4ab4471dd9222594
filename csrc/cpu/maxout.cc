// The inputs of an output are neighbours in memory: a vector takes every pieces-th of them.
#include "ops/maxout.h"

#include "core/parallel.h"
#include "core/vec.h"
#include "formulas/maxout.h"

namespace fastnn::FASTNN_ISA {
namespace {

inline constexpr int64_t kOutputs = 4096;  // a block's

template <class T, int... I>
FASTNN_INLINE Vec<T> every(const T* x, int64_t step, Lanes<I...>) {
  return Vec<T>{x[I * step]...};
}

template <int kPieces, class T>
void take_max(const T* x, T* y, uint8_t* winners, int64_t n, int64_t pieces) {
  constexpr int64_t kW = kLanes<T>;
  const int64_t p = kPieces ? kPieces : pieces;
  int64_t i = 0;
  for (; i + kW <= n; i += kW) {
    const auto piece = [&](int64_t j) { return every<T>(x + i * p + j, p, typename FirstLanes<kW>::type{}); };
    Vec<T> best = piece(0);
    Vec<Int<T>> winner{};
    for (int64_t j = 1; j < p; ++j) {
      const Vec<T> v = piece(j);
      const Vec<Int<T>> wins = beats(v, best);
      best = select<T>(wins, v, best);
      winner = wins ? Vec<Int<T>>{} + static_cast<Int<T>>(j) : winner;
    }
    store(y + i, best);
    store_bytes<T>(winners + i, winner);
  }
  for (; i < n; ++i) {
    int64_t winner = 0;
    for (int64_t j = 1; j < p; ++j) {
      if (beats(x[i * p + j], x[i * p + winner])) winner = j;
    }
    y[i] = x[i * p + winner];
    winners[i] = static_cast<uint8_t>(winner);
  }
}

template <int kPieces, class T>
void give_back(const T* __restrict dy, T* __restrict dx, const uint8_t* __restrict winners, int64_t n, int64_t pieces) {
  const int64_t p = kPieces ? kPieces : pieces;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < p; ++j) dx[i * p + j] = winners[i] == j ? dy[i] : T{0};
}

template <int kPieces, bool kBackward, class T>
void run_as(const MaxoutArgs<T>& a) {
  const int64_t blocks = (a.n + kOutputs - 1) / kOutputs;
  const int64_t bytes = a.n * (a.pieces + 1) * static_cast<int64_t>(sizeof(T));
  parallel_blocks(blocks, a.width, bytes, [&](int64_t block, int) {
    const int64_t begin = block * kOutputs, n = begin + kOutputs < a.n ? kOutputs : a.n - begin;
    if constexpr (kBackward)
      give_back<kPieces, T>(a.in + begin, a.out + begin * a.pieces, a.winners + begin, n, a.pieces);
    else
      take_max<kPieces, T>(a.in + begin * a.pieces, a.out + begin, a.winners + begin, n, a.pieces);
  });
}

template <bool kBackward, class T>
void run(const MaxoutArgs<T>& a) {
  if (a.pieces == 2) return run_as<2, kBackward>(a);
  if (a.pieces == 3) return run_as<3, kBackward>(a);
  if (a.pieces == 4) return run_as<4, kBackward>(a);
  if (a.pieces == 5) return run_as<5, kBackward>(a);
  run_as<0, kBackward>(a);
}

}  // namespace

void maxout_forward(const MaxoutArgs<float>& a) { run<false>(a); }
void maxout_forward(const MaxoutArgs<double>& a) { run<false>(a); }
void maxout_backward(const MaxoutArgs<float>& a) { run<true>(a); }
void maxout_backward(const MaxoutArgs<double>& a) { run<true>(a); }

}  // namespace fastnn::FASTNN_ISA
