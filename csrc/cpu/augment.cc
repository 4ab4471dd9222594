#include "ops/augment.h"

#include "cpu/augment_colour.h"
#include "cpu/augment_resize.h"
#include "cpu/tile.h"

namespace fastnn::FASTNN_ISA {
namespace {

// Rows that are staged as bytes before they become values: 16 KB or so stay in L1, and a multiple of 16 rows
// keeps every band aligned for streaming.
int64_t band_rows(int64_t row_bytes) { return ((16384 / (row_bytes + 1)) / 16 + 1) * 16; }

// Cuts the workspace into lines of 64 bytes.
class Cutter {
 public:
  explicit Cutter(void* base) : at_(static_cast<char*>(base)), begin_(at_) {}
  template <class U>
  U* take(int64_t count) {
    U* p = reinterpret_cast<U*>(at_);
    at_ += (count * static_cast<int64_t>(sizeof(U)) + 63) / 64 * 64;
    return p;
  }
  int64_t used() const { return at_ - begin_; }

 private:
  char *at_, *begin_;
};

template <class T>
bool resizes(const AugmentArgs<T>& a) {
  return a.crop == AugmentCrop::resized || a.crop == AugmentCrop::whole;
}
// Rows of the source lie pixel by pixel, so that they can be read in place.
template <class T>
bool rows_are_dense(const AugmentArgs<T>& a) {
  return (a.c == 1 || a.stride_c == 1) && (a.w == 1 || a.stride_w == a.c);
}

// What a worker needs for an image.
template <class T>
struct Scratch {
  uint8_t *packed, *band;
  Taps<T> rows, columns;
  T* line = nullptr;

  Scratch(const AugmentArgs<T>& a, Cutter& cut) {
    packed = rows_are_dense(a) ? nullptr : cut.take<uint8_t>(a.h * a.w * a.c);
    band = resizes(a) ? nullptr : cut.take<uint8_t>(band_rows(a.ow * a.c) * a.ow * a.c + kPixelSlack);
    if (!resizes(a)) return;
    line = cut.take<T>(a.w * a.c);
    cut_taps(rows, a.h, a.oh, cut);
    cut_taps(columns, a.w, a.ow, cut);
  }
  static void cut_taps(Taps<T>& taps, int64_t size, int64_t out, Cutter& cut) {
    taps.most = TapRange::room(size, out);
    taps.first = cut.take<int32_t>(out);
    taps.count = cut.take<int32_t>(out);
    taps.weights = cut.take<T>(taps.most * out);
  }
};

template <class T>
int64_t scratch_bytes(const AugmentArgs<T>& a) {
  Cutter cut(nullptr);
  const Scratch<T> one(a, cut);
  return cut.used();
}
template <class T>
int64_t workspace(const AugmentArgs<T>& a) {
  return 2 * a.c * kVectorBytes + 128 + a.width * scratch_bytes(a);
}

void join_planes(const uint8_t* __restrict r, const uint8_t* __restrict g, const uint8_t* __restrict b,
                 uint8_t* __restrict dst, int64_t n) {
  for (int64_t j = 0; j < n; ++j) dst[3 * j] = r[j], dst[3 * j + 1] = g[j], dst[3 * j + 2] = b[j];
}

template <class T>
void pack(const AugmentArgs<T>& a, const uint8_t* image, uint8_t* dst) {
  const int64_t c = a.c, w = a.w, sc = a.stride_c, sw = a.stride_w;
  for (int64_t i = 0; i < a.h; ++i, dst += w * c) {
    const uint8_t* row = image + i * a.stride_h;
    if (c == 3 && sw == 1) {
      join_planes(row, row + sc, row + 2 * sc, dst, w);
      continue;
    }
    for (int64_t j = 0; j < w; ++j)
      for (int64_t q = 0; q < c; ++q) dst[j * c + q] = row[j * sw + q * sc];
  }
}

// Images of a few KB anywhere in memory are over before the hardware has seen their pattern.
inline constexpr int64_t kPrefetchBytes = 4096;

template <class T>
FASTNN_INLINE void prefetch_image(const AugmentArgs<T>& a, int64_t k) {
  const uint8_t* image = a.x + a.index[k] * a.stride_n;
  const int64_t bytes = rows_are_dense(a) && a.stride_h == a.w * a.c ? a.h * a.w * a.c : 0;
  for (int64_t i = 0; i < bytes && i < kPrefetchBytes; i += 64) prefetch(image + i);
}

// The crop as bytes, band by band: use(band, first element, elements).
template <class T, class Use>
FASTNN_INLINE void for_bands(const AugmentArgs<T>& a, const Plan& plan, const uint8_t* image, int64_t row_step,
                             uint8_t* band, const Use& use) {
  const int64_t row = a.ow * a.c, step = band_rows(row), top = plan.part.top;
  const bool as_it_is = a.ow == a.w && plan.part.left == 0 && row_step == row && !plan.flip_h && !plan.flip_v;
  if (as_it_is && top >= 0 && top + a.oh <= a.h) return use(image + top * row, 0, a.oh * row);
  // Rows in front of this one have a vector of the image behind them.
  const int64_t last_roomy = row_step > 0 && row_step >= a.w * a.c ? a.h - 1 - (kVectorBytes - 1) / row_step : 0;
  for (int64_t begin = 0; begin < a.oh; begin += step) {
    const int64_t end = begin + step < a.oh ? begin + step : a.oh;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t from = padded_source(top + (plan.flip_v ? a.oh - 1 - i : i), a.h, a.padding);
      uint8_t* dst = band + (i - begin) * row;
      if (from < 0)
        __builtin_memset(dst, a.fill, static_cast<size_t>(row));
      else
        stage_row(a, image + from * row_step, plan.part.left, plan.flip_h, from < last_roomy, dst);
    }
    use(band, begin * row, (end - begin) * row);
  }
}

template <class T>
void fill_part(const AugmentArgs<T>& a, const Rectangle& r, T* y) {
  const T value = static_cast<T>(a.erase_value);
  for (int64_t i = r.top; i < r.top + r.height; ++i)
    for (int64_t j = r.left * a.c; j < (r.left + r.width) * a.c; ++j) y[i * a.ow * a.c + j] = value;
}

template <class T>
void one_image(const AugmentArgs<T>& a, const PhiloxKeys& keys, const Affine<T>& by, bool streaming, int64_t k,
               const Scratch<T>& scratch) {
  const int64_t size = a.oh * a.ow * a.c;
  const Draws draws(keys, a.epoch, a.sample[k]);
  const Plan plan = plan_image(a, draws);
  const uint8_t* image = a.x + a.index[k] * a.stride_n;
  int64_t row_step = a.stride_h;
  if (scratch.packed) {
    pack(a, image, scratch.packed);
    image = scratch.packed, row_step = a.w * a.c;
  }
  T* y = a.y + k * size;
  const T unit = static_cast<T>(1 / a.max_value);
  const bool colours = a.brighten || a.contrasting || a.saturate || a.has_pca || a.noise > 0;
  if (colours || resizes(a)) {
    if (resizes(a))
      resize_part(a, plan, image, row_step, scratch.rows, scratch.columns, unit, scratch.line, y);
    else
      for_bands(a, plan, image, row_step, scratch.band,
                [&](const uint8_t* band, int64_t at, int64_t n) { scale_bytes(band, n, unit, y + at); });
    colour(a, plan, draws, y);
    affine<false, T>(size, by, y, [y](int64_t i, int64_t n) { return load_up_to(y + i, n); });
  } else {
    for_bands(a, plan, image, row_step, scratch.band, [&](const uint8_t* band, int64_t at, int64_t n) {
      const auto read = [band](int64_t i, int64_t lanes) { return bytes_as_values<T>(band + i, lanes); };
      if (streaming)
        affine<true, T>(n, by, y + at, read);
      else
        affine<false, T>(n, by, y + at, read);
    });
  }
  fill_part(a, plan.cut, y);
  fill_part(a, plan.erased, y);
}

template <class T>
void run(const AugmentArgs<T>& a) {
  const int64_t size = a.oh * a.ow * a.c;
  if (a.n * size == 0) return;
  // From bytes in one step, else from values in [0, 1].
  const bool colours = a.brighten || a.contrasting || a.saturate || a.has_pca || a.noise > 0;
  const double unit = colours || resizes(a) ? 1 : 1 / a.max_value;
  Cutter cut(a.workspace);
  const int64_t period = a.c * kLanes<T>;
  T *factor = cut.take<T>(period), *shift = cut.take<T>(period);
  for (int64_t i = 0; i < period; ++i) {
    factor[i] = static_cast<T>(unit / a.std[i % a.c]);
    shift[i] = static_cast<T>(-a.mean[i % a.c] / a.std[i % a.c]);
  }
  const Affine<T> by{factor, shift, period};
  const bool streaming = can_stream(a.y, a.n * size) && size % kLanes<T> == 0;
  const PhiloxKeys keys(a.seed);
  char* scratch = cut.take<char>(0);
  const int64_t bytes = scratch_bytes(a), traffic = size * static_cast<int64_t>(sizeof(T)) + a.h * a.w * a.c;
  const Pieces pieces(a.n, 131072 / traffic + 1);
  parallel_blocks(pieces.count, a.width, a.n * traffic, [&](int64_t piece, int worker) {
    Cutter own(scratch + worker * bytes);
    const Scratch<T> mine(a, own);
    for (int64_t k = pieces.begin(piece); k < pieces.begin(piece + 1); ++k) one_image(a, keys, by, streaming, k, mine);
    if (streaming) stream_fence();
  });
}

}  // namespace

int64_t augment_workspace(const AugmentArgs<float>& a) { return workspace(a); }
int64_t augment_workspace(const AugmentArgs<double>& a) { return workspace(a); }
void augment(const AugmentArgs<float>& a) { run(a); }
void augment(const AugmentArgs<double>& a) { run(a); }

}  // namespace fastnn::FASTNN_ISA
