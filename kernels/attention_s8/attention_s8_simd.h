// Keys and values of the head are packed once. Then each tile of queries makes its scores, turns
// them into weights where they lie, and multiplies those by the values while they are in cache.
#pragma once

#include "kernels/attention_s8/attention_s8_pack_simd.h"

namespace espalier::ESPALIER_ISA {

static_assert(tile_rows <= most_rows);

struct Head {
  AttentionS8 shape;
  int64_t depth;      // of queries and keys: head_dim in fours
  b_type* keys;       // packed: D x T
  std::byte* values;  // packed: T x D
  a_type* queries;    // of a tile, where they can't be read in place
  Scores scores;

  ESPALIER_INLINE Head(const AttentionS8& s, std::byte* scratch) : shape(s) {
    const auto take = [&](int64_t count, size_t size) __attribute__((always_inline)) {
      std::byte* at = scratch;
      scratch += round_up(count * static_cast<int64_t>(size), 64);
      return at;
    };
    depth = round_up(s.head_dim, 4);
    scores.end = round_up(s.tokens, block_keys);
    scores.scale = s.score_scale;
    scores.stride = round_up(s.tokens, block_keys > panel ? block_keys : panel);
    for (int i = 0; i < block_keys; ++i) {
      const bool is_key = weight_key(scores.end - block_keys + i) < s.tokens;
      scores.keep[i] = static_cast<a_type>(is_key ? -1 : 0);
    }
    keys = reinterpret_cast<b_type*>(take(round_up(s.tokens, panel) * depth, sizeof(b_type)));
    values = take(round_up(s.head_dim, panel) / panel * panel_bytes(weight_places(s.tokens)), 1);
    scores.scores = reinterpret_cast<int32_t*>(take(tile_rows * scores.stride, sizeof(int32_t)));
    scores.weights = reinterpret_cast<a_type*>(take(tile_rows * scores.stride, sizeof(a_type)));
    queries = reinterpret_cast<a_type*>(take(tile_rows * depth, sizeof(a_type)));
  }

  static ESPALIER_INLINE int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
};

// VNNI takes keys as its unsigned operand, queries as its signed one.
struct KeysAreStored {
  template <class Left>
  static ESPALIER_INLINE s32 meet(s32 sum, Left left, b_register right) {
#if defined(__x86_64__)
    return dot(sum, right, left);
#else
    return dot(sum, left, right);
#endif
  }
};

// Scores of Rows queries, also of the columns that fill the last block.
template <int Rows>
static void score_queries(const Head& head, const a_type* queries, int64_t stride) noexcept {
  const Scores& to = head.scores;
  int64_t j = 0;
  for (; j < head.shape.tokens; j += panel) {
    s32 sum[Rows][tile_registers];
    ESPALIER_UNROLL_REGISTERS
    for (int r = 0; r < Rows; ++r) ESPALIER_UNROLL_REGISTERS
    for (int i = 0; i < tile_registers; ++i) sum[r][i] = zero();
    multiply_tile<Rows, KeysAreStored>(queries, stride, head.keys + j * head.depth, head.depth,
                                       sum);
    store_sums<Rows>(sum, to.scores + j, to.stride);
  }
  for (; j < to.end; j += s32_lanes)
    for (int r = 0; r < Rows; ++r)
      store(to.scores + r * to.stride + j, load(to.scores + r * to.stride));
}

// Values [d, d + panel) of Rows rows of out, before their scale.
template <int Rows>
static void weigh_values(const Head& head, const std::byte* packed, int32_t* to) noexcept {
  s32 sum[Rows][tile_registers];
  ESPALIER_UNROLL_REGISTERS
  for (int i = 0; i < tile_registers; ++i) {
    s32 start = zero();
    if constexpr (a_offset<uint8_t> != 0)
      start = multiply(load(column_sums(packed) + i * s32_lanes), set1(a_offset<uint8_t>));
    ESPALIER_UNROLL_REGISTERS
    for (int r = 0; r < Rows; ++r) sum[r][i] = start;
  }
  multiply_tile<Rows>(head.scores.weights, head.scores.stride, groups_of(packed),
                      weight_places(head.shape.tokens), sum);
  store_sums<Rows>(sum, to, panel);
}

// Rows of `sums`, times their scale, to `columns` columns of out.
ESPALIER_NOINLINE static void put_rows(const AttentionS8& s, const int32_t* sums,
                                       const float* scale, int rows, int8_t* out, int64_t columns) {
  constexpr int pair = 2 * s32_lanes;
  for (int r = 0; r < rows; ++r, sums += panel, out += s.out_stride)
    for (int i = 0; i < panel && i < columns; i += pair) {
      const f32v by = set1(scale[r]);
      const s32 low = rounded(mul(to_float(load(sums + i)), by));
      const s32 high = rounded(mul(to_float(load(sums + i + s32_lanes)), by));
      if (columns - i >= pair) {
        store_codes(out + i, low, high, s.zero_point);
        continue;
      }
      int8_t codes[pair];
      store_codes(codes, low, high, s.zero_point);
      for (int64_t j = i; j < columns; ++j) out[j] = codes[j - i];
    }
}

// The queries of a tile where they lie, if a left operand is made of bytes, or else in `head`.
struct Queries {
  const a_type* at;
  int64_t stride;

  ESPALIER_INLINE Queries(const Head& head, const int8_t* q, int rows) {
    const AttentionS8& s = head.shape;
    if (sizeof(a_type) == 1 && head.depth == s.head_dim) {
      at = reinterpret_cast<const a_type*>(q), stride = s.row_stride;
      return;
    }
    at = head.queries, stride = head.depth;
    for (int r = 0; r < rows; ++r) {
      a_type* to = head.queries + r * stride;
      for (int64_t d = 0; d < s.head_dim; ++d) to[d] = static_cast<a_type>(q[r * s.row_stride + d]);
      for (int64_t d = s.head_dim; d < stride; ++d) to[d] = 0;
    }
  }
};

// Queries [q, ...) of a tile to their rows of out.
template <int Rows>
static void run_queries(const Head& head, const int8_t* q, int8_t* out) noexcept {
  const AttentionS8& s = head.shape;
  const Queries queries(head, q, Rows);
  score_queries<Rows>(head, queries.at, queries.stride);
  float scale[Rows];
  weigh(head.scores, Rows, scale);
  for (int r = 0; r < Rows; ++r) scale[r] = s.multiplier / scale[r];
  const std::byte* packed = head.values;
  for (int64_t d = 0; d < s.head_dim; d += panel, packed += panel_bytes(weight_places(s.tokens))) {
    int32_t sums[Rows * panel];
    weigh_values<Rows>(head, packed, sums);
    put_rows(s, sums, scale, Rows, out + d, s.head_dim - d);
  }
}

using RunQueries = void(const Head&, const int8_t*, int8_t*) noexcept;

template <int... Rows>
ESPALIER_INLINE RunQueries* queries_of(int64_t rows, Heights<Rows...>) {
  static constexpr RunQueries* tiles[] = {run_queries<Rows>...};
  return tiles[rows - 1];
}

void attention_s8(const AttentionS8& s, const int8_t* q, const int8_t* k, const int8_t* v,
                  int8_t* out, std::byte* scratch) noexcept {
  const Head head(s, scratch);
  pack_keys(k, s.row_stride, s.tokens, s.head_dim, head.keys);
  pack_values(v, s.row_stride, s.tokens, s.head_dim, head.values);
  const int64_t tiles = (s.queries + tile_rows - 1) / tile_rows;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t first = i * s.queries / tiles, rows = (i + 1) * s.queries / tiles - first;
    queries_of(rows, TileHeights())(head, q + first * s.row_stride, out + first * s.out_stride);
  }
}

}  // namespace espalier::ESPALIER_ISA
