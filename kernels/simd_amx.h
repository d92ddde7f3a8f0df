// The tiles of AMX: eight registers of up to sixteen rows of 64 bytes, and the two products of them
// that kernels here use. Numbers of tiles are template arguments, as the instructions encode them.
// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, vol. 1, chapter 18.
//
// The instructions stand by name, as the intrinsics of g++ 12 do not tell the compiler that a load
// reads memory: it would move the stores that fill it past it. Without AMX (the meson option
// `emulate`) the same functions work on arrays.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/rows.h"

// What g++ calls it, and clang.
#if defined(__AMX_TILE__) || defined(__AMXTILE__)
#define ESPALIER_HAS_TILES 1
#else
#include "kernels/emulated_amx.h"
#endif

namespace espalier::ESPALIER_ISA {

constexpr int64_t tile_side = 16;  // rows of a tile, and its columns of 32 bits
constexpr int64_t tile_row_bytes = 64;
constexpr int64_t tile_bytes = tile_side * tile_row_bytes;

// What `ldtilecfg` reads: palette 1, then bytes in a row and rows of each tile.
struct TileShapes {
  uint8_t palette = 1, start_row = 0, unused[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  ESPALIER_INLINE void set(int tile, int64_t height) {
    row_bytes[tile] = tile_row_bytes, rows[tile] = static_cast<uint8_t>(height);
  }
};
static_assert(sizeof(TileShapes) == 64);

#if defined(ESPALIER_HAS_TILES)

// While it lives, this thread's tiles have these shapes; they start as zeros.
class TileScope {
 public:
  ESPALIER_INLINE explicit TileScope(const TileShapes& shapes) {
    __asm__ volatile("ldtilecfg %0" : : "m"(shapes));
  }
  ESPALIER_INLINE ~TileScope() { __asm__ volatile("tilerelease"); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
};

template <int Tile>
ESPALIER_INLINE void zero_tile() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(Tile));
}
// Rows lie `stride` bytes apart; 0 loads one row again and again.
template <int Tile>
ESPALIER_INLINE void load_tile(const void* from, int64_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2"
                   :
                   : "r"(from), "r"(stride), "i"(Tile)
                   : "memory");
}
template <int Tile>
ESPALIER_INLINE void store_tile(void* to, int64_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(Tile) : "memory");
}
// sum[m, n] += the products of the pairs (k, k + 1) of left[m] and right[., n]: those of even k are
// added up from zero, those of odd k likewise, then both sums are added, and to `sum`. Denormals
// count as zero on the way in and out.
template <int Sum, int Left, int Right>
ESPALIER_INLINE void dot_bf16() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(Left), "i"(Right));
}
// The same of groups of four bytes, unsigned by signed, in 32 bits, exact.
template <int Sum, int Left, int Right>
ESPALIER_INLINE void dot_u8s8() {
  __asm__ volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(Left), "i"(Right));
}

#else

struct TileScope {
  ESPALIER_INLINE explicit TileScope(const TileShapes& shapes) {
    std::memset(emulated_amx::tiles, 0, sizeof(emulated_amx::tiles));
    std::memcpy(emulated_amx::rows, shapes.rows, sizeof(emulated_amx::rows));
  }
};

template <int Tile>
ESPALIER_INLINE void zero_tile() {
  std::memset(emulated_amx::tiles[Tile], 0, tile_bytes);
}
template <int Tile>
ESPALIER_INLINE void load_tile(const void* from, int64_t stride) {
  emulated_amx::load(Tile, from, stride);
}
template <int Tile>
ESPALIER_INLINE void store_tile(void* to, int64_t stride) {
  emulated_amx::store(Tile, to, stride);
}
template <int Sum, int Left, int Right>
ESPALIER_INLINE void dot_bf16() {
  emulated_amx::dot_bf16(Sum, Left, Right);
}
template <int Sum, int Left, int Right>
ESPALIER_INLINE void dot_u8s8() {
  emulated_amx::dot_u8s8(Sum, Left, Right);
}

#endif

struct DotBf16 {
  template <int Sum, int Left, int Right>
  static ESPALIER_INLINE void add() {
    dot_bf16<Sum, Left, Right>();
  }
};
struct DotU8S8 {
  template <int Sum, int Left, int Right>
  static ESPALIER_INLINE void add() {
    dot_u8s8<Sum, Left, Right>();
  }
};

// One or two tiles of `height` rows by two of columns. `left` holds tile after tile, those of k of
// the first rows, then those of the second; `right` has rows of both tiles of columns, k after k.
// Sums start from `start`, whose rows lie start_stride bytes apart (0: from one row), or from zero.
struct TileProduct {
  const void* left = nullptr;
  const void* right = nullptr;
  int64_t k_tiles = 0, height = 0;
  void* c = nullptr;
  int64_t c_stride = 0;
  const void* start = nullptr;
  int64_t start_stride = 0;

  // Tiles 0 to 3 are sums, 4 and 5 rows, 6 and 7 columns.
  static ESPALIER_INLINE TileShapes shapes(int64_t height) {
    TileShapes shapes;
    for (int tile = 0; tile < 8; ++tile) shapes.set(tile, tile < 6 ? height : tile_side);
    return shapes;
  }
};

template <int Tile>
ESPALIER_INLINE void start_sum(const TileProduct& p) {
  const int64_t at = Tile / 2 * p.height * p.start_stride + Tile % 2 * tile_row_bytes;
  if (p.start)
    load_tile<Tile>(static_cast<const char*>(p.start) + at, p.start_stride);
  else
    zero_tile<Tile>();
}

template <int Tile>
ESPALIER_INLINE void finish_sum(const TileProduct& p) {
  const int64_t at = Tile / 2 * p.height * p.c_stride + Tile % 2 * tile_row_bytes;
  store_tile<Tile>(static_cast<char*>(p.c) + at, p.c_stride);
}

template <class Dot, bool Two>
static void multiply_tiles(const TileProduct& p) noexcept {
  const auto* left = static_cast<const char*>(p.left);
  const auto* right = static_cast<const char*>(p.right);
  start_sum<0>(p), start_sum<1>(p);
  if constexpr (Two) start_sum<2>(p), start_sum<3>(p);
  for (int64_t k = 0; k < p.k_tiles; ++k, left += tile_bytes, right += 2 * tile_bytes) {
    load_tile<4>(left, tile_row_bytes);
    load_tile<6>(right, 2 * tile_row_bytes);
    Dot::template add<0, 4, 6>();
    load_tile<7>(right + tile_row_bytes, 2 * tile_row_bytes);
    Dot::template add<1, 4, 7>();
    if constexpr (Two) {
      load_tile<5>(left + p.k_tiles * tile_bytes, tile_row_bytes);
      Dot::template add<2, 5, 6>();
      Dot::template add<3, 5, 7>();
    }
  }
  finish_sum<0>(p), finish_sum<1>(p);
  if constexpr (Two) finish_sum<2>(p), finish_sum<3>(p);
}

// One tile of rows or two, by how many `rows` there are.
template <class Dot>
ESPALIER_INLINE void multiply_tiles(const TileProduct& p, int64_t rows) {
  rows > p.height ? multiply_tiles<Dot, true>(p) : multiply_tiles<Dot, false>(p);
}

// How M rows are dealt over tiles: evenly, since the time of a product goes by its height.
ESPALIER_INLINE int64_t tile_height(int64_t M) {
  const int64_t tiles = (M + tile_side - 1) / tile_side;
  return (M + tiles - 1) / tiles;
}

}  // namespace espalier::ESPALIER_ISA
