// Products on tensor cores (sm_80 and later): one skeleton for every type of element.
//
//   S[m, n] = sum_k A[m, k] B[n, k]
//
// A block computes a tile of S. Slices of 128 bytes along k go through `stages` places of shared
// memory, loaded while those before them are multiplied. A slice's row holds 8 chunks of 16 bytes,
// chunk c of row r in place c ^ (r % 8), so that the 8 rows that ldmatrix reads at once lie in
// banks of their own, and so do the chunks that are written at once.
#pragma once

#include "kernels/gemm_f32/gemm_operand_simt.h"
#include "kernels/half.h"
#include "kernels/simt/matrix.h"

namespace espalier::cuda {

// ---- elements: what lies in memory, what sums are, and the instruction that multiplies ----

struct MmaBf16 {
  using Raw = BFloat16;
  using Sum = float;
  __device__ static void multiply(Sum (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    simt::mma_m16n8k16_bf16(d, a, b);
  }
};
struct MmaF16 {
  using Raw = Float16;
  using Sum = float;
  __device__ static void multiply(Sum (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    simt::mma_m16n8k16_f16(d, a, b);
  }
};
struct MmaTf32 {
  using Raw = float;
  using Sum = float;
  __device__ static void multiply(Sum (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    simt::mma_m16n8k8_tf32(d, {rounded(a[0]), rounded(a[1]), rounded(a[2]), rounded(a[3])},
                           {rounded(b[0]), rounded(b[1])});
  }
  __device__ static uint32_t rounded(uint32_t bits) {
    return simt::round_to_tf32(simt::float_of_bits(bits));
  }
};
struct MmaS8 {
  using Raw = int8_t;
  using Sum = int32_t;
  __device__ static void multiply(Sum (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    simt::mma_m16n8k32_s8(d, a, b);
  }
};

// ---- shared memory ----

constexpr unsigned mma_stages = 3;
constexpr unsigned mma_chunk = 16, mma_chunks = 8, mma_row = mma_chunk * mma_chunks;  // bytes

__device__ inline unsigned mma_place(unsigned row, unsigned chunk) {
  return row * mma_row + (chunk ^ row % mma_chunks) * mma_chunk;
}

// A tile of 16 * row_tiles * row_warps rows and 8 * column_tiles * column_warps columns.
template <unsigned row_warps, unsigned column_warps, unsigned row_tiles, unsigned column_tiles>
struct MmaTile {
  static_assert(column_tiles % 2 == 0, "two are loaded at once");
  static constexpr unsigned threads = simt::warp_size * row_warps * column_warps;
  static constexpr unsigned own_rows = 16 * row_tiles, own_columns = 8 * column_tiles;  // a warp's
  static constexpr unsigned rows = own_rows * row_warps, columns = own_columns * column_warps;
  static constexpr unsigned a_bytes = rows * mma_row, stage_bytes = a_bytes + columns * mma_row;
  static constexpr unsigned shared_bytes = mma_stages * stage_bytes;
  static constexpr unsigned tiles_down = row_tiles, tiles_across = column_tiles;

  __device__ static unsigned first_row() { return simt::warp_id() / column_warps * own_rows; }
  __device__ static unsigned first_column() { return simt::warp_id() % column_warps * own_columns; }
};
using MmaLargeTile = MmaTile<2, 4, 4, 4>;  // 128 x 128 by 256 threads
using MmaSmallTile = MmaTile<2, 2, 2, 4>;  // 64 x 64 by 128 threads
// Blocks that keep the multiprocessors of a GPU at work: with fewer large ones, small ones run.
constexpr unsigned mma_fill_a_gpu = 128;

// ---- operands: how slices get from global to shared memory ----

// Rows that lie on boundaries of 16 bytes, copied beside the arithmetic.
template <class RawType>
struct MmaCopied {
  using Raw = RawType;
  const Raw* data;
  int64_t row_stride;

  __device__ MmaCopied from(int64_t offset, int64_t row) const {
    return {data + offset + row * row_stride, row_stride};
  }
  // `rows` rows of the slice from k on to `to`, zeros where rows_left or k_left end.
  template <unsigned rows, unsigned threads>
  __device__ void load(unsigned char* to, int64_t rows_left, int64_t k, int64_t k_left) const {
    const uint32_t address = simt::shared_address(to);
    const unsigned chunk = threadIdx.x % mma_chunks;
    const int64_t bytes_left = k_left * int64_t{sizeof(Raw)} - chunk * mma_chunk;
    const unsigned here = bytes_left <= 0          ? 0
                          : bytes_left < mma_chunk ? static_cast<unsigned>(bytes_left)
                                                   : mma_chunk;
    ESPALIER_UNROLL
    for (unsigned i = 0; i < rows * mma_chunks / threads; ++i) {
      const unsigned row = threadIdx.x / mma_chunks + i * (threads / mma_chunks);
      const unsigned present = row < rows_left ? here : 0;
      const Raw* from =
          present ? data + row * row_stride + k + chunk * (mma_chunk / sizeof(Raw)) : data;
      simt::copy_async<mma_chunk>(address + mma_place(row, chunk), from, present);
    }
  }
};

// Elements of an operand at any strides, each read by itself and made a Raw of on the way.
template <class RawType, class Operand = GemmOperand<RawType>>
struct MmaRead {
  using Raw = RawType;
  Operand operand;

  __device__ MmaRead from(int64_t offset, int64_t row) const {
    return {operand.from(offset, row, 0)};
  }
  template <unsigned rows, unsigned threads>
  __device__ void load(unsigned char* to, int64_t rows_left, int64_t k, int64_t k_left) const {
    constexpr unsigned count = mma_chunk / sizeof(Raw);
    struct alignas(mma_chunk) Chunk {
      Raw values[count];
    };
    using Source = decltype(operand.read(0, 0));
    // Neighbours read along k where it is contiguous, else across it.
    const bool along_k = operand.along_k();
    ESPALIER_NO_UNROLL
    for (unsigned i = threadIdx.x; i < rows * mma_chunks; i += threads) {
      const unsigned row = along_k ? i / mma_chunks : i % rows;
      const unsigned chunk = along_k ? i % mma_chunks : i / rows;
      Chunk made;
      ESPALIER_UNROLL
      for (unsigned j = 0; j < count; ++j) {
        const bool present = row < rows_left && chunk * count + j < k_left;
        made.values[j] =
            simt::rounded_to<Raw>(present ? operand.read(row, k + chunk * count + j) : Source());
      }
      *reinterpret_cast<Chunk*>(to + mma_place(row, chunk)) = made;
    }
  }
};

// ---- the skeleton ----

struct MmaShape {
  int64_t M, N, K;
  GemmRepeats products, terms;  // in elements
};

// The sums of one thread, which are a fragment of each of its warp's tiles.
template <class Type, class Tile>
struct MmaSums {
  typename Type::Sum values[Tile::tiles_down][Tile::tiles_across][4] = {};

  // A slice, 32 bytes of k at a time.
  __device__ void add_slice(const unsigned char* a, const unsigned char* b) {
    const uint32_t left = simt::shared_address(a), right = simt::shared_address(b);
    const unsigned lane = simt::lane_id();
    ESPALIER_UNROLL
    for (unsigned chunk = 0; chunk < mma_chunks; chunk += 2) {
      uint32_t rows[Tile::tiles_down][4], columns[Tile::tiles_across][2];
      ESPALIER_UNROLL
      for (unsigned i = 0; i < Tile::tiles_down; ++i)
        simt::ldmatrix(rows[i],
                       left + mma_place(Tile::first_row() + 16 * i + lane % 16, chunk + lane / 16));
      ESPALIER_UNROLL
      for (unsigned j = 0; j < Tile::tiles_across; j += 2) {
        uint32_t both[4];
        simt::ldmatrix(both,
                       right + mma_place(Tile::first_column() + 8 * j + lane / 16 * 8 + lane % 8,
                                         chunk + lane / 8 % 2));
        columns[j][0] = both[0], columns[j][1] = both[1];
        columns[j + 1][0] = both[2], columns[j + 1][1] = both[3];
      }
      ESPALIER_UNROLL
      for (unsigned i = 0; i < Tile::tiles_down; ++i) ESPALIER_UNROLL
      for (unsigned j = 0; j < Tile::tiles_across; ++j)
        Type::multiply(values[i][j], rows[i], columns[j]);
    }
  }

  // f(row of the tile, column of the tile, sum)
  template <class F>
  __device__ void each(F f) const {
    const unsigned group = simt::lane_id() / 4, in_group = simt::lane_id() % 4;
    ESPALIER_UNROLL
    for (unsigned i = 0; i < Tile::tiles_down; ++i) ESPALIER_UNROLL
    for (unsigned j = 0; j < Tile::tiles_across; ++j) ESPALIER_UNROLL
    for (unsigned r = 0; r < 4; ++r)
      f(Tile::first_row() + 16 * i + group + r / 2 * 8,
        Tile::first_column() + 8 * j + in_group * 2 + r % 2, values[i][j][r]);
  }
};

// Where a tile stands among `down` x `across` of them: those of eight rows of tiles follow each
// other column by column, so that blocks that run at once share slices of both operands.
struct MmaPosition {
  int64_t row, column;  // of tiles

  __device__ static MmaPosition of_tile(int64_t tile, int64_t down, int64_t across) {
    constexpr int64_t group = 8;
    const int64_t first = tile / (group * across) * group, in_group = tile % (group * across);
    const int64_t rows = down - first < group ? down - first : group;
    return {first + in_group % rows, in_group / rows};
  }
};

template <class Tile>
simt::Grid mma_grid(const MmaShape& s) {
  const int64_t tiles = int64_t{simt::divide_up(s.M, Tile::rows)} *
                        simt::divide_up(s.N, Tile::columns) * count_of(s.products);
  return {.blocks_x = static_cast<unsigned>(tiles),
          .threads = Tile::threads,
          .shared_bytes = Tile::shared_bytes};
}

// Computes the block's tile and calls put(c, m, n, sum) for each element of it that there is, where
// c is the step of C to the block's product.
template <class Type, class Tile, class A, class B, class Put>
__device__ inline void mma_multiply(const MmaShape& s, const A& all_a, const B& all_b,
                                    int64_t terms, Put put) {
  constexpr int64_t slice = mma_row / sizeof(typename Type::Raw);  // values of k
  const int64_t down = simt::divide_up(s.M, Tile::rows);
  const int64_t across = simt::divide_up(s.N, Tile::columns), tiles = down * across;
  const MmaPosition at = MmaPosition::of_tile(blockIdx.x % tiles, down, across);
  const int64_t first_row = at.row * Tile::rows, first_column = at.column * Tile::columns;
  const GemmOffsets product(s.products, blockIdx.x / tiles);
  unsigned char* const shared = simt::dynamic_shared();
  const int64_t slices = (s.K + slice - 1) / slice, steps = slices * terms;
  const auto load = [&](int64_t step) {
    if (step < steps) {
      unsigned char* const to = shared + step % mma_stages * Tile::stage_bytes;
      const GemmOffsets term(s.terms, step / slices);
      const int64_t k = step % slices * slice;
      all_a.from(product.a + term.a, first_row)
          .template load<Tile::rows, Tile::threads>(to, s.M - first_row, k, s.K - k);
      all_b.from(product.b + term.b, first_column)
          .template load<Tile::columns, Tile::threads>(to + Tile::a_bytes, s.N - first_column, k,
                                                       s.K - k);
    }
    simt::commit_copies();  // an empty group too, so that a stage is always one
  };

  MmaSums<Type, Tile> sums;
  for (unsigned stage = 0; stage + 1 < mma_stages; ++stage) load(stage);
  for (int64_t step = 0; step < steps; ++step) {
    simt::wait_for_copies<mma_stages - 2>();
    simt::sync_block();  // all have copied this stage, and read the one before
    load(step + mma_stages - 1);
    const unsigned char* const stage = shared + step % mma_stages * Tile::stage_bytes;
    sums.add_slice(stage, stage + Tile::a_bytes);
  }
  sums.each([&](unsigned row, unsigned column, typename Type::Sum sum) {
    const int64_t m = first_row + row, n = first_column + column;
    if (m < s.M && n < s.N) put(product.c, m, n, sum);
  });
}

}  // namespace espalier::cuda
