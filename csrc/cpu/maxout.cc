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

// Zeros first, while they are in L1 the gradients: choosing one of `pieces` values for each input took twice the time.
template <class T>
void give_back(const T* dy, T* dx, const uint8_t* winners, int64_t n, int64_t pieces) {
  constexpr int64_t kAtOnce = 256;
  for (int64_t begin = 0; begin < n; begin += kAtOnce) {
    const int64_t end = begin + kAtOnce < n ? begin + kAtOnce : n;
    __builtin_memset(dx + begin * pieces, 0, static_cast<size_t>((end - begin) * pieces) * sizeof(T));
    for (int64_t i = begin; i < end; ++i) dx[i * pieces + winners[i]] = dy[i];
  }
}

template <int kPieces, bool kBackward, class T>
void run_as(const MaxoutArgs<T>& a) {
  const int64_t blocks = (a.n + kOutputs - 1) / kOutputs;
  const int64_t bytes = a.n * (a.pieces + 1) * static_cast<int64_t>(sizeof(T));
  parallel_blocks(blocks, a.width, bytes, [&](int64_t block, int) {
    const int64_t begin = block * kOutputs, n = begin + kOutputs < a.n ? kOutputs : a.n - begin;
    if constexpr (kBackward)
      give_back(a.in + begin, a.out + begin * a.pieces, a.winners + begin, n, a.pieces);
    else
      take_max<kPieces, T>(a.in + begin * a.pieces, a.out + begin, a.winners + begin, n, a.pieces);
  });
}

template <class T>
void forward(const MaxoutArgs<T>& a) {
  if (a.pieces == 2) return run_as<2, false>(a);
  if (a.pieces == 3) return run_as<3, false>(a);
  if (a.pieces == 4) return run_as<4, false>(a);
  if (a.pieces == 5) return run_as<5, false>(a);
  run_as<0, false>(a);
}

}  // namespace

void maxout_forward(const MaxoutArgs<float>& a) { forward(a); }
void maxout_forward(const MaxoutArgs<double>& a) { forward(a); }
void maxout_backward(const MaxoutArgs<float>& a) { run_as<0, true>(a); }
void maxout_backward(const MaxoutArgs<double>& a) { run_as<0, true>(a); }

}  // namespace fastnn::FASTNN_ISA
