#include "ops/prelu.h"

#include "cpu/channel_rows.h"
#include "formulas/prelu.h"

namespace fastnn::FASTNN_ISA {
namespace {

// The workspace: the weights repeated to a strip, then each block's sums of the weights' gradients.
template <class T>
int64_t workspace(const PreluArgs<T>& a) {
  if (a.inner > 1) return 0;
  const ChannelRows<T> rows(a.outer, a.channels);
  return (1 + (a.dy ? rows.blocks : 0)) * rows.row_size() * static_cast<int64_t>(sizeof(T));
}

// Channels last: strips of whole rows.
template <bool kBackward, bool kStreaming, class T>
void run_rows(const PreluArgs<T>& args) {
  const ChannelRows<T> rows(args.outer, args.channels);
  T* const weights = static_cast<T*>(args.workspace);
  T* const partials = weights + rows.row_size();
  rows.repeat(args.weight, 0, weights);
  const int64_t bytes = args.outer * args.channels * (kBackward ? 3 : 2) * static_cast<int64_t>(sizeof(T));
  parallel_blocks(rows.blocks, args.width, bytes, [&](int64_t block, int) {
    const PreluArgs<T> a = args;
    const T* const weight = weights;
    T* const sums = partials + block * rows.row_size();
    if (kBackward)
      for (int64_t i = 0; i < rows.length; ++i) sums[i] = 0;
    rows.template sweep_block<1>(block, [=]<int R, bool kWhole>(int64_t at, int64_t lane, int64_t n) {
      const Vec<T> x = load_some<kWhole>(a.x + at, n), w = load_some<kWhole>(weight + lane, n);
      if constexpr (kBackward) {
        const Vec<T> dy = load_some<kWhole>(a.dy + at, n);
        put_some<kWhole>(a.dx + at, prelu_slope<T>(dy, x, w), n, kStreaming);
        const Vec<T> sum = load_some<kWhole>(sums + lane, n) + prelu_weight_term<T>(dy, x);
        put_some<kWhole>(sums + lane, sum, n);
      } else {
        put_some<kWhole>(a.y + at, prelu<T>(x, w), n, kStreaming);
      }
    });
    if (kStreaming) stream_fence();
  });
  if (!kBackward) return;
  for (int64_t c = 0; c < args.channels; ++c) {
    double sum = 0;
    for (int64_t block = 0; block < rows.blocks; ++block)
      for (int64_t i = c; i < rows.length; i += rows.channels)
        sum += static_cast<double>(partials[block * rows.row_size() + i]);
    args.dweight[c] = static_cast<T>(sum);
  }
}

// Channels first: planes of one weight each, a block being at most 64 KB of one plane.
template <class T>
void run_planes(const PreluArgs<T>& args) {
  const int64_t pieces = (args.inner + kMapBlock<T> - 1) / kMapBlock<T>, planes = args.outer * args.channels;
  const bool streaming = can_stream(args.y, planes * args.inner) && args.inner % kLanes<T> == 0;
  // Small planes go together.
  const int64_t together = pieces == 1 ? kMapBlock<T> / args.inner : 1;
  const int64_t blocks = (planes * pieces + together - 1) / together;
  const int64_t bytes = planes * args.inner * 2 * static_cast<int64_t>(sizeof(T));
  parallel_blocks(blocks, args.width, bytes, [&](int64_t block, int) {
    const int64_t stop = (block + 1) * together < planes * pieces ? (block + 1) * together : planes * pieces;
    for (int64_t i = block * together; i < stop; ++i) {
      const int64_t plane = i / pieces, from = i % pieces * kMapBlock<T>;
      const int64_t to = from + kMapBlock<T> < args.inner ? from + kMapBlock<T> : args.inner;
      const Vec<T> w = splat(args.weight[plane % args.channels]);
      const int64_t base = plane * args.inner;
      map_range<T>(base + from, base + to, streaming, args.y, [=](Vec<T> x) { return prelu<T>(x, w); }, args.x);
    }
  });
}

template <class T>
void forward(const PreluArgs<T>& a) {
  if (a.inner > 1)
    run_planes(a);
  else if (can_stream(a.y, a.outer * a.channels) && ChannelRows<T>(a.outer, a.channels).length % kLanes<T> == 0)
    run_rows<false, true>(a);
  else
    run_rows<false, false>(a);
}
template <class T>
void backward(const PreluArgs<T>& a) {
  if (can_stream(a.dx, a.outer * a.channels) && ChannelRows<T>(a.outer, a.channels).length % kLanes<T> == 0)
    run_rows<true, true>(a);
  else
    run_rows<true, false>(a);
}

}  // namespace

int64_t prelu_workspace(const PreluArgs<float>& a) { return workspace(a); }
int64_t prelu_workspace(const PreluArgs<double>& a) { return workspace(a); }
void prelu_forward(const PreluArgs<float>& a) { forward(a); }
void prelu_forward(const PreluArgs<double>& a) { forward(a); }
void prelu_backward(const PreluArgs<float>& a) { backward(a); }
void prelu_backward(const PreluArgs<double>& a) { backward(a); }

}  // namespace fastnn::FASTNN_ISA
