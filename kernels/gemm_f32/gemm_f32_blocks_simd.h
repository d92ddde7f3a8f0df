// Register tiles of `tile_rows` rows by one panel. Rows are dealt evenly over the tiles, so that 49
// rows make 6,6,6,6,5,5,5,5,5 and no tile is too small to hide the latency of fma. A k-block of a
// panel takes 32 KiB and comes from the second-level cache, in order: blocks half as long, which
// stay in a first level of 32 KiB, read and write C twice as often and were slower. A block of rows
// stays in the second level while all panels pass over it, and the next block is prefetched
// meanwhile. A transposed A is read in place too: copying its tiles first was measured and gained
// nothing. Products of other element types share all of this: they say how a block of A is fetched
// and how a word of A meets a word of B.
#pragma once

#include "kernels/gemm_f32/gemm_f32_tile_simd.h"
#include "kernels/simd_product.h"

namespace espalier::ESPALIER_ISA {

constexpr int64_t k_block = 8192 / panel;
constexpr int64_t line = 16;  // floats of a cache line

// What a tile prefetches of the next block's A: `lines` cache lines from each of `rows` places.
struct Ahead {
  const float* at;
  int64_t rows = 0, stride, lines;
};

struct Tile {
  int64_t K;
  const float* a;
  int64_t a_row_stride, a_k_stride;
  const float* b;
  float* c;
  int64_t c_row_stride;
  const float* bias;
  bool accumulate;
  Ahead ahead;
};

// The chain's start: what C holds, the bias, their sum, or zero.
template <int Rows>
ESPALIER_INLINE void start_tile(const Tile& t, f32 (&sum)[Rows][tile_registers]) {
  f32 bias[tile_registers];
  ESPALIER_UNROLL
  for (int i = 0; i < tile_registers; ++i) bias[i] = f32(0.0f);
  if (t.bias) load_row(t.bias, bias);
  ESPALIER_UNROLL
  for (int r = 0; r < Rows; ++r) ESPALIER_UNROLL
  for (int i = 0; i < tile_registers; ++i) sum[r][i] = bias[i];
  if (!t.accumulate) return;
  ESPALIER_UNROLL
  for (int r = 0; r < Rows; ++r) {
    f32 c[tile_registers];
    load_row(t.c + r * t.c_row_stride, c);
    ESPALIER_UNROLL
    for (int i = 0; i < tile_registers; ++i) sum[r][i] = t.bias ? c[i] + bias[i] : c[i];
  }
}

// Row `place` of the tile's C, and that place of the next block's A: by prefetcht0, since
// prefetcht1 was slower.
template <int Rows>
ESPALIER_INLINE void prefetch(const Tile& t, int64_t place) {
  if (place < Rows) ESPALIER_UNROLL
  for (int i = 0; i < panel; i += line) __builtin_prefetch(t.c + place * t.c_row_stride + i, 1);
  if (place >= t.ahead.rows) return;
  for (int64_t l = 0; l < t.ahead.lines; ++l)
    __builtin_prefetch(t.ahead.at + place * t.ahead.stride + l * line);
}

// Rows 4 q + (0, 1, 2, 3) of A are q's pointer + (0, 1, 2, 3) strides: with as many pointers as
// this leaves, addresses stay in general registers. g++ knows it one better and keeps an offset for
// every row, of which it moves some in from vector registers at each k: 4 % of the time.
template <int Rows>
struct RowsOfA {
  static constexpr int quads = (Rows + 3) / 4;
  const float* quad[quads];
  int64_t stride, three, k_stride;

  ESPALIER_INLINE explicit RowsOfA(const Tile& t)
      : stride(t.a_row_stride), three(3 * t.a_row_stride), k_stride(t.a_k_stride) {
    __asm__("" : "+r"(stride), "+r"(three));
    ESPALIER_UNROLL
    for (int q = 0; q < quads; ++q) {
      quad[q] = t.a + 4 * q * t.a_row_stride;
      __asm__("" : "+r"(quad[q]));
    }
  }
  ESPALIER_INLINE float operator[](int r) const {
    return quad[r / 4][r % 4 == 3 ? three : r % 4 * stride];
  }
  ESPALIER_INLINE void next_k() {
    ESPALIER_UNROLL
    for (int q = 0; q < quads; ++q) quad[q] += k_stride;
  }
};

// Prefetches at each quarter of K where there is a next block: all at once would take every miss
// that a core can have in flight, and the loads of this tile's A would wait behind it. More parts
// cost more than they gain, as the end of each is a branch mispredicted. Their lengths are even, as
// the loop is unrolled twice.
template <class Meeting, int Rows>
static void run_tile(const Tile& t) noexcept {
  f32 sum[Rows][tile_registers];
  start_tile<Rows>(t, sum);
  RowsOfA<Rows> a(t);
  const float* b = t.b;
  const bool spread = t.ahead.rows > 0;
  const int64_t places = t.ahead.rows > Rows ? t.ahead.rows : Rows;
  const int64_t places_each = spread ? (places + 3) / 4 : places;
  const int64_t step = spread ? (t.K + 7) / 8 * 2 : t.K;
  for (int64_t left = t.K, place = 0; left > 0; left -= step) {
    for (const int64_t last = place + places_each; place < last; ++place) prefetch<Rows>(t, place);
    const int64_t count = left < step ? left : step;
    ESPALIER_UNROLL_2
    for (int64_t k = 0; k < count; ++k, b += panel, a.next_k()) {
      f32 right[tile_registers];
      ESPALIER_UNROLL
      for (int i = 0; i < tile_registers; ++i)
        right[i] = f32::load_unaligned(b + i * hardware_lanes);
      ESPALIER_UNROLL
      for (int r = 0; r < Rows; ++r) {
        const f32 word(a[r]);
        ESPALIER_UNROLL
        for (int i = 0; i < tile_registers; ++i)
          sum[r][i] = Meeting::multiply_add(word, right[i], sum[r][i]);
      }
    }
  }
  ESPALIER_UNROLL
  for (int r = 0; r < Rows; ++r) store_row(t.c + r * t.c_row_stride, sum[r]);
}

template <class Meeting>
ESPALIER_INLINE void run_whole_tile(int rows, const Tile& t) {
  using Run = void(const Tile&) noexcept;
  static constexpr Run* tiles[] = {
    run_tile<Meeting, 1>,
    run_tile<Meeting, 2>,
    run_tile<Meeting, 3>,
    run_tile<Meeting, 4>,
    run_tile<Meeting, 5>,
    run_tile<Meeting, 6>,
#if defined(__AVX512F__)
    run_tile<Meeting, 7>,
    run_tile<Meeting, 8>,
    run_tile<Meeting, 9>,
    run_tile<Meeting, 10>,
    run_tile<Meeting, 11>,
    run_tile<Meeting, 12>,
#endif
  };
  static_assert(sizeof(tiles) / sizeof(*tiles) == tile_rows);
  tiles[rows - 1](t);
}

template <class Meeting>
ESPALIER_NOINLINE static void run_part_tile(int rows, int columns, const Tile& t) {
  const auto row_of_c = [&](int r) ESPALIER_INLINE_LAMBDA { return t.c + r * t.c_row_stride; };
  WholeRows whole(row_of_c, rows, columns, t.accumulate, t.bias);
  Tile in = t;
  in.c = whole.at, in.c_row_stride = panel;
  if (t.bias) in.bias = whole.bias_row;
  run_whole_tile<Meeting>(rows, in);
  whole.store(row_of_c, rows, columns);
}

// How M rows are dealt over tiles: the first `longer` tiles have base + 1 rows, the others base.
struct Deal {
  int64_t tiles, base, longer;

  ESPALIER_INLINE explicit Deal(int64_t M) {
    tiles = (M + tile_rows - 1) / tile_rows;
    base = M / tiles;
    longer = M % tiles;
  }
  ESPALIER_INLINE int64_t first_row(int64_t tile) const {
    return tile * base + (tile < longer ? tile : longer);
  }
  ESPALIER_INLINE int rows(int64_t tile) const { return static_cast<int>(base + (tile < longer)); }
};

// Tiles [first, last) by values [k, k_end) of K.
struct Block {
  int64_t first, last, k, k_end;
};

// How the tiles that run one block prefetch the A of the next between them: each of `tiles` tiles
// takes some of its rows (of its k, where A is transposed), and of those some lines in each panel.
struct Prefetch {
  const float* a;
  int64_t stride, places, places_each, lines, lines_each;

  ESPALIER_INLINE Prefetch(const Gemm<float>& g, const Deal& deal, const Block& block,
                           int64_t tiles, int64_t panels) {
    const int64_t row = deal.first_row(block.first), rows = deal.first_row(block.last) - row;
    const int64_t K = block.k_end - block.k;
    const bool transposed = g.a_k_stride != 1;
    a = g.A + row * g.a_row_stride + block.k * g.a_k_stride;
    stride = transposed ? g.a_k_stride : g.a_row_stride;
    places = transposed ? K : rows;
    places_each = (places + tiles - 1) / tiles;
    lines = ((transposed ? rows : K) + line - 1) / line;
    lines_each = (lines + panels - 1) / panels;
  }
  ESPALIER_INLINE Ahead share(int64_t tile, int64_t panel_index) const {
    const int64_t place = tile * places_each, first = panel_index * lines_each;
    return {a + place * stride + first * line, least(places - place, places_each), stride,
            least(lines - first, lines_each)};
  }
  static ESPALIER_INLINE int64_t least(int64_t x, int64_t y) { return x < y ? x : y; }
};

// The rows and words of A that a block multiplies.
struct Left {
  const float* a;
  int64_t row_stride, k_stride;
};

// Takes them from where A lies; the tiles of one block prefetch the next.
struct InPlace {
  static constexpr int64_t block_rows = 96;
  const Gemm<float>& g;

  ESPALIER_INLINE Left take(int64_t row, int64_t, int64_t k, int64_t) const {
    return {g.A + row * g.a_row_stride + k * g.a_k_stride, g.a_row_stride, g.a_k_stride};
  }
  static ESPALIER_INLINE Block ahead(const Block& next) { return next; }
};

// Takes words [k, k_end) of the panel of column n from where they lie packed.
struct Packed {
  const Gemm<float>& g;
  ESPALIER_INLINE const float* take(int64_t n, int64_t k, int64_t) const {
    return g.packed_b + n * g.K + k * panel;
  }
};

// Runs one block over all panels, and prefetches the next meanwhile.
template <class Meeting, class Source, class Panels>
static void run_block(const Gemm<float>& g, const Source& source, const Panels& panels_of_b,
                      const Deal& deal, const Block& block, const Block& next) {
  Tile t;
  t.K = block.k_end - block.k;
  const int64_t row = deal.first_row(block.first), rows = deal.first_row(block.last) - row;
  const Left left = source.take(row, rows, block.k, block.k_end);
  t.a_row_stride = left.row_stride;
  t.a_k_stride = left.k_stride;
  t.c_row_stride = g.c_row_stride;
  t.accumulate = g.accumulate || block.k > 0;
  const int64_t panels = gemm_panel_count(panel, g.N), tiles = block.last - block.first;
  const Prefetch prefetch(g, deal, source.ahead(next), tiles, panels);
  for (int64_t p = 0; p < panels; ++p) {
    const int64_t n = p * panel;
    t.b = panels_of_b.take(n, block.k, block.k_end);
    t.bias = g.bias && block.k == 0 ? g.bias + n : nullptr;
    const int columns = static_cast<int>(g.N - n < panel ? g.N - n : panel);
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t m = deal.first_row(block.first + i);
      t.a = left.a + (m - row) * left.row_stride;
      t.c = g.C + m * g.c_row_stride + n;
      t.ahead = prefetch.share(i, p);
      const int rows_of_tile = deal.rows(block.first + i);
      if (columns == panel)
        run_whole_tile<Meeting>(rows_of_tile, t);
      else
        run_part_tile<Meeting>(rows_of_tile, columns, t);
    }
  }
}

// `g` with its K in words. A is what `source` says, B what `panels` says.
template <class Meeting, class Source, class Panels>
ESPALIER_INLINE void run_blocks(const Gemm<float>& g, const Source& source, const Panels& panels) {
  if (g.M <= 0 || g.N <= 0) return;
  constexpr int64_t tile_block = Source::block_rows / tile_rows;
  const Deal deal(g.M);
  const int64_t k_blocks = g.K > k_block ? (g.K + k_block - 1) / k_block : 1;
  const int64_t row_blocks = (deal.tiles + tile_block - 1) / tile_block;
  // Past the last block: no tiles, so nothing to prefetch.
  const auto block_at = [&](int64_t i) {
    const int64_t first = i / k_blocks * tile_block, k = i % k_blocks;
    const int64_t last = first + tile_block < deal.tiles ? first + tile_block : deal.tiles;
    return Block{first < last ? first : last, last, k * g.K / k_blocks, (k + 1) * g.K / k_blocks};
  };
  for (int64_t i = 0; i < row_blocks * k_blocks; ++i)
    run_block<Meeting>(g, source, panels, deal, block_at(i), block_at(i + 1));
}

[[maybe_unused]] static void pack_panel(const float* B, int64_t k_stride, int64_t n_stride,
                                        int64_t K, int columns, float* packed) {
  int64_t k = 0;
  if (columns == panel && n_stride == 1) {
    for (; k < K; ++k) {
      f32 row[tile_registers];
      load_row(B + k * k_stride, row);
      store_row(packed + k * panel, row);
    }
  } else if (columns == panel && k_stride == 1) {
    for (int n = 0; n < panel; n += hardware_lanes) {
      const float *row[hardware_lanes], *next = B + n * n_stride;
      for (const float*& each : row) each = next, next += n_stride;
      for (k = 0; k + 4 <= K; k += 4) {
        f32 column[4];
        load_columns(row, k, column);
        ESPALIER_UNROLL
        for (int c = 0; c < 4; ++c) column[c].store_unaligned(packed + (k + c) * panel + n);
      }
    }
  }
  for (; k < K; ++k)
    for (int n = 0; n < panel; ++n)
      packed[k * panel + n] = n < columns ? B[k * k_stride + n * n_stride] : 0.0f;
}

}  // namespace espalier::ESPALIER_ISA
