// The inputs of an output are neighbours in memory: plain loops, which the compiler turns into shuffles
// where the number of pieces is a constant.
#include "ops/maxout.h"

#include "core/parallel.h"
#include "core/vec.h"

namespace fastnn::FASTNN_ISA {
namespace {

inline constexpr int64_t kOutputs = 4096;  // a block's

template <int kPieces, class T>
void take_max(const T* __restrict x, T* __restrict y, uint8_t* __restrict winners, int64_t n, int64_t pieces) {
  const int64_t p = kPieces ? kPieces : pieces;
  for (int64_t i = 0; i < n; ++i) {
    T best = x[i * p];
    int winner = 0;
    for (int64_t j = 1; j < p; ++j) {
      const T v = x[i * p + j];
      // The first NaN wins, and a tie goes to the first.
      const bool wins = (v > best) | ((v != v) & (best == best));
      best = wins ? v : best;
      winner = wins ? static_cast<int>(j) : winner;
    }
    y[i] = best;
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
