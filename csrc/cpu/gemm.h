// C = A B for one matrix or a batch of them, then bias and activation.
//
// Every value of C is summed in one order: over k in blocks of about kDepth, each block from zero, the
// blocks in order, long reductions of few outputs in `splits` parts added in order at last. That order
// depends on the shape alone; how A and B lie, how they are read (in place or packed) and how C is cut into
// tasks changes only the speed.
//
// A task owns a block of C. For each K block it packs its columns of B into its worker's L2 (or reads them
// in place) and runs row tiles of A, read in place, over them: no operand is packed as a whole. With `pairs`
// both are always packed, which rounds them to bfloat16, and k is counted in pairs from plan() on.
#pragma once

#include "core/parallel.h"
#include "cpu/elementwise.h"
#include "cpu/few_rows.h"
#include "cpu/pack_pairs.h"

namespace fastnn::FASTNN_ISA {

// Bias and activation on finished rows.
template <class T>
__attribute__((noinline)) static void finish_rows(T* c, int64_t c_row, int64_t rows, int64_t cols,
                                                  const Epilogue<T>& e) {
  constexpr int64_t kL = kLanes<T>;
  if (!e.bias && e.activation == Activation::none) return;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < cols; j += kL) {
      const int64_t n = cols - j < kL ? cols - j : kL;
      T* at = c + r * c_row + j;
      Vec<T> y = load_n(at, n);
      if (e.bias) y = y + load_n(e.bias + j, n);
      store_n(at, activate_any<T>(e.activation, y, e.leaky_slope, e.elu_alpha), n);
    }
}

// Where the matrices of a batch begin: its axes, and the distances along them in elements.
struct Batch {
  int rank;
  const int64_t *shape, *a, *b;
  int64_t count() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= shape[i];
    return n;
  }
  static int64_t offset(int64_t index, int rank, const int64_t* shape, const int64_t* strides) {
    int64_t at = 0;
    for (int i = rank - 1; i >= 0; --i) {
      at += index % shape[i] * strides[i];
      index /= shape[i];
    }
    return at;
  }
};

template <class T>
struct Gemm {
  int64_t m, n, k;
  Matrix<T> a, b;
  T* c;
  int64_t c_row;
  Epilogue<T> epilogue;
  int width;
  Batch batch{};
  const T* panels_b = nullptr;  // all of B as PanelPacker leaves it, for k <= kDepth, or null
  bool pairs = false;           // of bfloat16, if the shape gains by it
  int64_t c_matrix = 0;         // elements from one matrix of C to the next, 0: m rows

  // ---- derived by plan() ----
  int64_t batches = 1;
  int64_t splits = 1;  // of k
  int64_t down = 1;    // blocks of rows
  int64_t across = 1;  // panels of a block of columns
  int64_t tile_rows = kTileRows;
  bool strips = false;    // few_rows
  bool in_place = false;  // whole panels of B are not packed
  int64_t values = 0;     // of the reduction

  static constexpr int64_t kBytes = sizeof(T);
  static constexpr int64_t kDepth = 512;
  static constexpr int64_t kFewDepth = 16;
  static constexpr int64_t kWide = Panels<T>::kWide;
  static constexpr int64_t kTileRows = kMaxRows[kTileVectors];
  static constexpr int64_t kPanels = 1024 / (kWide * kBytes);  // of a task's B: 384 KB in L2
  static constexpr int64_t kCopyRow = kDepth + 64 / kBytes;    // not a multiple of 4 KB
  static constexpr int64_t kCopyStep = kTileRows > 8 ? 16 : 8;
  static constexpr int64_t kCopyTiles = 8;  // of A where it lies by columns: 192 KB

  bool pays_in_pairs() const { return m >= 2 * kTileRows && n >= kWide && k >= 32; }
  // The operands are beyond the caches of a core: what comes next is prefetched.
  bool far() const { return (m + n) * k * kBytes > (512 << 10); }
  int64_t panels() const { return (n + kWide - 1) / kWide; }
  int64_t blocks_across() const { return (panels() + across - 1) / across; }
  int64_t tasks() const { return batches * splits * down * blocks_across(); }

  void plan() {
    batches = batch.count();
    if (c_matrix == 0) c_matrix = m * c_row;
    values = k;
    pairs = pairs && kHasPairs<T> && pays_in_pairs();
    if (pairs) k = (k + 1) / 2;
    // Few outputs, long sums: 2048 products or more a part.
    const int64_t outputs = batches * ((m + 63) / 64) * ((n + 127) / 128);
    if (outputs < 8 && k >= 4096) {
      splits = k / 2048;
      if (splits > 8) splits = 8;
    }
    // Few rows read B once: in parts of k it is read as one stretch of memory.
    if (m <= kFewRows && k >= 512) splits = k < 2048 ? k / 256 : 8;
    strips = !pairs && b.by_rows() && m <= kFewRows && k > kFewDepth;
    // Each row of B is used for one tile, or B is a few rows: then the outputs are written in long rows.
    in_place = !pairs && b.by_rows() && (m <= kTileRows || k <= kFewDepth);
    if (in_place && k <= kFewDepth) tile_rows = kFewRows;
    if (cost() <= kSerialBytes) width = 1;
    if (in_place || pairs || k > kDepth) panels_b = nullptr;
    choose_grid();
    if (tasks() < width) width = static_cast<int>(tasks());
  }

  // The cheapest grid by a count of cycles, a multiply-add of a vector being one; the last task of a
  // thread may have to wait for a quarter of a task.
  void choose_grid() {
    const int64_t most = (strips ? 16 : k <= kFewDepth ? 4 : 1) * kPanels;
    const int64_t depth = (k + splits - 1) / splits;
    int64_t best = -1;
    for (int64_t p = panels() < most ? panels() : most; p >= 1; p /= 2) {
      for (int64_t d = 1; d == 1 || m / d >= 2 * tile_rows; d *= 2) {
        const int64_t rows = (m + d - 1) / d, count = batches * splits * d * ((panels() + p - 1) / p);
        const int64_t pack = in_place || panels_b ? 0 : (b.by_rows() ? 8 : 12) * p * depth;
        const int64_t task = 500 + rows * p * (2 * depth + 8) + pack + rows * depth / (far() ? 2 : 8);
        const int64_t time = width > 1 ? (4 * ((count + width - 1) / width) + 1) * task : count * task;
        if (best < 0 || time < best) {
          best = time;
          across = p;
          down = d;
        }
        if (width == 1) return;
      }
    }
  }

  // 1 byte of traffic costs about as much time as 3 multiply-adds.
  int64_t cost() const { return batches * (m * n * k / 3 + kBytes * m * n); }
  int64_t packed_b() const {
    return across * kWide * (strips ? kFewRows : k <= kFewDepth ? kFewDepth : k < kDepth ? k : kDepth);
  }
  int64_t copied_a() const {
    return !copies_a() ? 0 : a.by_rows() ? kTileRows * kCopyRow : kCopyTiles * kCopyStep * kDepth;
  }
  int64_t worker_size() const { return (packed_b() + copied_a() + 15) / 16 * 16; }
  int64_t partial_size() const { return splits > 1 ? splits * batches * m * n : 0; }
  int64_t workspace() const { return (width * worker_size() + partial_size()) * kBytes; }

  bool streams() const {
    return splits == 1 && k <= kDepth && epilogue.activation <= Activation::relu && can_stream(c, batches * m * n) &&
           c_row * kBytes % kVectorBytes == 0;
  }

  // Rows of A that meet in few sets of L1, or columns of A far apart, are copied for a tile.
  bool copies_a() const {
    if (pairs) return true;
    if (a.by_rows()) {
      const int64_t skew = (a.row * kBytes + 2048) % 4096 - 2048;
      return skew > -64 && skew < 64 && across > 1 && m > kTileRows && k > kFewDepth;
    }
    return across > 2 && m > kTileRows && k > kFewDepth;
  }

  void run(void* workspace) {
    if (m == 0 || n == 0 || batches == 0) return;
    T* scratch = static_cast<T*>(workspace);
    T* partial = scratch + width * worker_size();
    const bool streaming = streams();
    parallel_blocks(tasks(), width, cost(), [&](int64_t task, int worker) {
      const int64_t rb = task % down, cb = task / down % blocks_across();
      const int64_t s = task / (down * blocks_across()) % splits, i = task / (down * blocks_across() * splits);
      Block x;
      x.a = a, x.b = b;
      if (batch.rank > 0) {
        x.a.data += Batch::offset(i, batch.rank, batch.shape, batch.a);
        x.b.data += Batch::offset(i, batch.rank, batch.shape, batch.b);
      }
      x.row = m * rb / down, x.rows = m * (rb + 1) / down - x.row;
      x.col = cb * across * kWide;
      x.cols = n - x.col < across * kWide ? n - x.col : across * kWide;
      x.c = splits > 1 ? partial + (s * batches + i) * m * n : c + i * c_matrix;
      x.c_row = splits > 1 ? n : c_row;
      x.packed = scratch + worker * worker_size();
      x.copied = x.packed + packed_b();
      x.streaming = streaming;
      const int64_t begin = k * s / splits, length = k * (s + 1) / splits - begin;
      const Pieces depths(length, kDepth);
      for (int64_t d = 0; d == 0 || d < depths.count; ++d) {
        x.k0 = length > 0 ? begin + depths.begin(d) : 0;
        x.depth = length > 0 ? depths.size(d) : 0;
        x.first = d == 0;
        x.at_end = d + 1 >= depths.count;
        x.last = splits == 1 && x.at_end;
        run_block(x);
      }
      if (streaming) stream_fence();
    });
    if (splits > 1) add_parts(partial);
  }

 private:
  struct Block {
    Matrix<T> a, b;
    T *c, *packed, *copied;
    int64_t c_row, row, rows, col, cols, k0, depth;
    bool first, last, at_end, streaming;
  };

  void run_block(const Block& x) const {
    if (strips) {
      T* to = x.c + x.row * x.c_row + x.col;
      few_rows<T>({x.a.at(x.row, x.k0), a.row, a.col}, {x.b.at(x.k0, x.col), b.row, b.col}, x.rows, x.depth, x.cols,
                  !x.first, to, x.c_row, x.packed);
      Epilogue<T> e = epilogue;
      if (e.bias) e.bias += x.col;
      if (x.last) finish_rows(to, x.c_row, x.rows, x.cols, e);
      return;
    }
    const PanelPacker<T> packer{x.b, x.k0, x.depth, x.col, x.cols, x.packed};
    const T* packed = panels_b ? panels_b + x.col * k : x.packed;
    if (in_place)
      packer.run_rest();
    else if (!panels_b && !pairs)
      packer.run();
    if constexpr (kHasPairs<T>)
      if (pairs) PairPacker{values}.panels(x.b, x.k0, x.depth, x.col, x.cols, x.packed);
    const bool copies = copies_a();
    const Walk walk = a.by_rows() ? Walk::any_rows : Walk::transposed;
    const Segment whole{0, 0, x.depth};
    const Pieces tiles(x.rows, tile_rows);
    const int64_t calls = (x.cols + kWide - 1) / kWide;
    Ahead<T> next_b = ahead<T>(x.b, x.k0 + x.depth, x.col, x.depth, x.cols, tiles.count * calls);
    if (in_place || pairs || x.at_end || !far()) next_b.parts = 0;
    TileArgs<T> t{};
    t.segments = &whole;
    t.count = 1;
    t.c_row = x.c_row;
    t.accumulate = !x.first;
    t.streaming = x.streaming;
    t.a_row = copies ? kCopyRow : a.row;
    t.a_step = copies ? kCopyStep : a.col;
    t.b_step = x.b.row;
    for (int64_t i = 0; i < tiles.count; ++i) {
      const int64_t row = x.row + tiles.begin(i), rows = tiles.size(i);
      t.a = x.a.at(row, x.k0);
      if (copies) {
        t.a = x.copied;
        if (a.by_rows()) {
          pack_rows(x, row, rows);
        } else {
          const int64_t slot = i % kCopyTiles, last = i + kCopyTiles < tiles.count ? i + kCopyTiles : tiles.count;
          if (slot == 0) pack_columns(x, tiles, i, last);
          t.a += slot * kCopyStep * x.depth;
        }
      }
      const bool fetches_a = far() && !pairs && a.by_rows() && i + 1 < tiles.count;
      Ahead<T> next_a = ahead<T>(x.a, row + rows, x.k0, tile_rows, x.depth, fetches_a ? calls : 0);
      Epilogue<T> e = epilogue;
      if (e.bias) e.bias += x.col;
      t.epilogue = x.last && (e.bias || e.activation != Activation::none) ? &e : nullptr;
      T* const c_tile = x.c + row * x.c_row + x.col;
      int64_t j = 0;
      auto run_tiles = [&](TileFn<T> fn, int64_t cols, int64_t end) {
        for (; j < end; j += cols) {
          next_a.next();
          next_b.next();
          if (far())
            for (int64_t r = 0; r < rows; ++r)
              for (int64_t v = 0; v < cols; v += 64 / kBytes) prefetch_l2(c_tile + r * x.c_row + j + cols + v);
          t.b = in_place && j + cols <= x.cols ? x.b.at(x.k0, x.col + j) : packed + j * x.depth;
          t.c = c_tile + j;
          t.cols = x.cols - j < cols ? x.cols - j : cols;
          fn(t);
          if (e.bias) e.bias += cols;
        }
      };
      if (in_place) {
        for (int vectors = kMaxVectors; vectors >= kTileVectors; vectors /= 2) {
          const int64_t cols = vectors * kLanes<T>;
          if (rows > kMaxRows[vectors] || j + cols > x.cols) continue;
          run_tiles(in_place_tile_for<T>(walk, rows, vectors), cols, j + (x.cols - j) / cols * cols);
        }
      } else {
        run_tiles(tile_for<T>(walk, rows, kTileVectors, pairs), kWide, x.cols / kWide * kWide);
      }
      if (j < x.cols) {
        const int vectors = x.cols - j <= kLanes<T> ? 1 : 2;
        run_tiles(tile_for<T>(walk, rows, vectors, pairs), kWide, x.cols);
      }
    }
  }

  void pack_rows(const Block& x, int64_t row, int64_t rows) const {
    if constexpr (kHasPairs<T>)
      if (pairs) return PairPacker{values}.rows(x.a, row, rows, x.k0, x.depth, kCopyRow, x.copied);
    copy_rows(x.a, row, rows, x.k0, x.depth, kCopyRow, x.copied);
  }
  void pack_columns(const Block& x, const Pieces& tiles, int64_t first, int64_t last) const {
    if constexpr (kHasPairs<T>)
      if (pairs) return PairPacker{values}.columns(x.a, tiles, first, last, x.row, x.k0, x.depth, x.copied);
    copy_columns<T, kCopyStep>(x.a, tiles, first, last, x.row, m, x.k0, x.depth, x.copied);
  }

  void add_parts(const T* partial) const {
    constexpr int64_t kL = kLanes<T>;
    parallel_blocks(batches * m, width, (splits + 1) * batches * m * n * kBytes, [&](int64_t r, int) {
      T* row = c + r / m * c_matrix + r % m * c_row;
      for (int64_t j = 0; j < n; j += kL) {
        const int64_t lanes = n - j < kL ? n - j : kL;
        Vec<T> sum{};
        for (int64_t s = 0; s < splits; ++s) sum = sum + load_n(partial + (s * batches * m + r) * n + j, lanes);
        store_n(row + j, sum, lanes);
      }
      finish_rows(row, c_row, 1, n, epilogue);
    });
  }
};

}  // namespace fastnn::FASTNN_ISA
