// Keys and values of the head are packed once. Then each tile of queries makes its scores, turns
// them into weights where they lie, and multiplies those by the values while they are in cache.
#pragma once

#include "kernels/attention_s8/attention_s8.h"
#include "kernels/gemm_s8/gemm_s8_tile_simd.h"

namespace espalier::ESPALIER_ISA {

struct Head {
  AttentionS8 shape;
  std::byte *keys, *values;  // packed: D x T and T x D
  int32_t* scores;           // of a tile: rows of `score_stride`
  int64_t score_stride;
  a_type *queries, *weights;  // of a tile, stored as left operands
  int64_t query_stride, weight_stride;

  ESPALIER_INLINE Head(const AttentionS8& s, std::byte* scratch) : shape(s) {
    const auto take = [&](int64_t bytes) __attribute__((always_inline)) {
      std::byte* at = scratch;
      scratch += (bytes + 63) / 64 * 64;
      return at;
    };
    const int64_t t_panels = (s.tokens + panel - 1) / panel;
    const int64_t d_panels = (s.head_dim + panel - 1) / panel;
    score_stride = t_panels * panel;
    query_stride = padded_k(s.head_dim), weight_stride = score_stride;
    keys = take(t_panels * panel_bytes(s.head_dim));
    values = take(d_panels * panel_bytes(s.tokens));
    scores = reinterpret_cast<int32_t*>(
        take(tile_rows * score_stride * static_cast<int64_t>(sizeof(int32_t))));
    const auto size = static_cast<int64_t>(sizeof(a_type));
    queries = reinterpret_cast<a_type*>(take(tile_rows * query_stride * size));
    weights = reinterpret_cast<a_type*>(take(tile_rows * weight_stride * size));
  }
};

// Sums of Rows rows with one packed panel, K long, whose left operand came from elements T.
template <int Rows, class T>
ESPALIER_INLINE void product(const a_type* left, int64_t left_stride, const std::byte* packed,
                             int64_t K, s32 (&sum)[Rows][tile_registers]) {
  ESPALIER_UNROLL_REGISTERS
  for (int i = 0; i < tile_registers; ++i) {
    s32 start = zero();
    if constexpr (a_offset<T> != 0)
      start = multiply(load(column_sums(packed) + i * s32_lanes), set1(a_offset<T>));
    ESPALIER_UNROLL_REGISTERS
    for (int r = 0; r < Rows; ++r) sum[r][i] = start;
  }
  multiply_tile<Rows>(left, left_stride, groups_of(packed), padded_k(K), sum);
}

ESPALIER_INLINE void store_weights(a_type* to, s32 p) {
  if constexpr (sizeof(a_type) == 2)
    store_s16(reinterpret_cast<int16_t*>(to), p);
  else
    store_bytes(to, sub(p, set1(a_offset<uint8_t>)));
}

// attention_s8_weight() of a register.
ESPALIER_INLINE s32 weight_of(s32 t) {
  const s32 f = bit_and(t, set1(255));
  const s32 slope = sub(set1(attention_s8_a), multiply(set1(attention_s8_b), f));
  const s32 power = shift_right(sub(set1(attention_s8_one), multiply(f, slope)), shift_right<8>(t));
  return shift_right<22>(add(power, set1(1 << 21)));
}

// Scores of a tile become weights; sums[r] receives the sum of row r. Columns past the last token
// repeat the first one: that changes no maximum, what they add to the sum is taken off again, and
// their values are zeros. Rows take each step together, so that none waits for another's result.
ESPALIER_NOINLINE static void weigh(const Head& head, int rows, float* sums) {
  const int64_t tokens = head.shape.tokens, stride = head.score_stride;
  s32 largest[tile_rows];
  for (int r = 0; r < rows; ++r) {
    int32_t* scores = head.scores + r * stride;
    for (int64_t j = tokens; j < stride; ++j) scores[j] = scores[0];
    largest[r] = load(scores);
    for (int64_t j = s32_lanes; j < stride; j += s32_lanes)
      largest[r] = max(largest[r], load(scores + j));
  }
  for (int r = 0; r < rows; ++r) largest[r] = set1(largest_lane(largest[r]));
  const f32v scale = set1(head.shape.score_scale);
  s32 sum[tile_rows];
  for (int r = 0; r < rows; ++r) {
    const int32_t* scores = head.scores + r * stride;
    sum[r] = zero();
    for (int64_t j = 0; j < stride; j += s32_lanes) {
      const f32v below = mul(to_float(sub(largest[r], load(scores + j))), scale);
      const s32 p = weight_of(round_within(below, set1(0.0f), set1(attention_s8_last)));
      sum[r] = add(sum[r], p);
      store_weights(head.weights + r * head.weight_stride + j, p);
    }
  }
  for (int r = 0; r < rows; ++r) {
    const int32_t first = head.weights[r * head.weight_stride] + a_offset<uint8_t>;
    sums[r] = static_cast<float>(sum_of_lanes(sum[r]) - (stride - tokens) * first);
  }
}

struct Output {
  int8_t* at;
  int64_t columns;
  int zero_point;

  ESPALIER_INLINE void put(s32 sum, f32v scale, int i) const {
    const int64_t count = columns - i * s32_lanes;
    if (count <= 0) return;
    const s32 code = code_of(mul(to_float(sum), scale), zero_point);
    if (count >= s32_lanes) return store_bytes(at + i * s32_lanes, code);
    int8_t codes[s32_lanes];
    store_bytes(codes, code);
    for (int64_t j = 0; j < count; ++j) at[i * s32_lanes + j] = codes[j];
  }
};

ESPALIER_NOINLINE static void put_rows(const Output& first, int64_t stride, const int32_t* sums,
                                       const float* scale, int rows) {
  for (int r = 0; r < rows; ++r) {
    const Output to{first.at + r * stride, first.columns, first.zero_point};
    for (int i = 0; i < tile_registers; ++i)
      to.put(load(sums + r * panel + i * s32_lanes), set1(scale[r]), i);
  }
}

// Sums of Rows rows with one packed panel, in rows `stride` apart.
template <int Rows, class T>
static void store_product(const a_type* left, int64_t left_stride, const std::byte* packed,
                          int64_t K, int32_t* to, int64_t stride) {
  s32 sum[Rows][tile_registers];
  product<Rows, T>(left, left_stride, packed, K, sum);
  store_sums<Rows>(sum, to, stride);
}

// Queries [q, ...) of a tile to their rows of out.
template <int Rows>
static void run_queries(const Head& head, const int8_t* q, int8_t* out) noexcept {
  const AttentionS8& s = head.shape;
  store_left_rows(q, s.row_stride, Rows, s.head_dim, head.queries, head.query_stride);
  for (int64_t j = 0; j < s.tokens; j += panel)
    store_product<Rows, int8_t>(head.queries, head.query_stride,
                                head.keys + j / panel * panel_bytes(s.head_dim), s.head_dim,
                                head.scores + j, head.score_stride);
  float scale[Rows];
  weigh(head, Rows, scale);
  for (int r = 0; r < Rows; ++r) scale[r] = s.multiplier / scale[r];
  for (int64_t d = 0; d < s.head_dim; d += panel) {
    int32_t sums[Rows * panel];
    store_product<Rows, uint8_t>(head.weights, head.weight_stride,
                                 head.values + d / panel * panel_bytes(s.tokens), s.tokens, sums,
                                 panel);
    put_rows({out + d, s.head_dim - d, s.zero_point}, s.out_stride, sums, scale, Rows);
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
  pack_matrix(k, 1, s.row_stride, s.head_dim, s.tokens, head.keys);
  pack_matrix(v, s.row_stride, 1, s.tokens, s.head_dim, head.values);
  const int64_t tiles = (s.tokens + tile_rows - 1) / tile_rows;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t first = i * s.tokens / tiles, rows = (i + 1) * s.tokens / tiles - first;
    queries_of(rows, TileHeights())(head, q + first * s.row_stride, out + first * s.out_stride);
  }
}

}  // namespace espalier::ESPALIER_ISA
