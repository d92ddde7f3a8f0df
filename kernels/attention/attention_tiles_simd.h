// What attention is made of. Scores are computed transposed, S^T = K Q^T, so that a lane holds one
// query: the softmax then needs no horizontal step at all, and column i of P^T is the operand whose
// values are broadcast when P V, the one division left to its rows.
//
// Every product is one register tile: R broadcast values times C registers, summed over the depth
// in ascending order, so an element's bits depend on neither the tile nor the ISA.
#pragma once

#include <limits>

#include "kernels/attention/attention.h"
#include "kernels/simd_math.h"
#include "kernels/simd_product.h"

namespace espalier::ESPALIER_ISA {

constexpr int group_registers = 4;  // registers of columns in the widest tile
constexpr int64_t group = group_registers * hardware_lanes;
constexpr float log2_e = 1.44269504f;
constexpr float lowest = -std::numeric_limits<float>::infinity();

// The operand read one value at a time: value (m, k) is at[m * row + k * step].
struct Broadcast {
  const float* at;
  int64_t row, step;
};
// The operand read a register at a time: row k starts at + k * stride, padded to whole registers.
struct Panel {
  const float* at;
  int64_t stride;
};
// The rows of a result, in whole registers.
struct Rows {
  float* at;
  int64_t stride;
};

ESPALIER_INLINE int64_t registers_for(int64_t n) {
  return (n + hardware_lanes - 1) / hardware_lanes;
}
// A register at p, of which `left` values remain.
ESPALIER_INLINE f32 load_left(const float* p, int64_t left) {
  return load_part(p, left < hardware_lanes ? static_cast<int>(left) : hardware_lanes);
}
ESPALIER_INLINE void store_left(float* p, f32 value, int64_t left) {
  store_part(p, value, left < hardware_lanes ? static_cast<int>(left) : hardware_lanes);
}

// finish(row, column register, sum over k of a(row, k) b(k, column)) for an R x C tile, each sum
// begun at start(row, column register). Meeting says what a value is, and how two multiply.
template <class Meeting, int R, int C, class Start, class Finish>
ESPALIER_INLINE void tile(Broadcast a, Panel b, int64_t depth, Start start, Finish finish) {
  f32 sum[R][C];
  ESPALIER_UNROLL for (int r = 0; r < R; ++r) ESPALIER_UNROLL for (int c = 0; c < C; ++c)
      sum[r][c] = start(r, c);
  ESPALIER_UNROLL_2
  for (int64_t k = 0; k < depth; ++k, a.at += a.step, b.at += b.stride) {
    if constexpr (R <= C) {  // hold the fewer operands, so that the sums stay in registers
      f32 value[R];
      ESPALIER_UNROLL for (int r = 0; r < R; ++r) value[r] = f32(a.at[r * a.row]);
      ESPALIER_UNROLL for (int c = 0; c < C; ++c) {
        const f32 column = f32::load_unaligned(b.at + c * hardware_lanes);
        ESPALIER_UNROLL for (int r = 0; r < R; ++r) sum[r][c] =
            Meeting::multiply_add(value[r], column, sum[r][c]);
      }
    } else {
      f32 column[C];
      ESPALIER_UNROLL for (int c = 0; c < C; ++c) column[c] =
          f32::load_unaligned(b.at + c * hardware_lanes);
      ESPALIER_UNROLL for (int r = 0; r < R; ++r) {
        const f32 value(a.at[r * a.row]);
        ESPALIER_UNROLL for (int c = 0; c < C; ++c) sum[r][c] =
            Meeting::multiply_add(value, column[c], sum[r][c]);
      }
    }
  }
  ESPALIER_UNROLL for (int r = 0; r < R; ++r) ESPALIER_UNROLL for (int c = 0; c < C; ++c)
      finish(r, c, sum[r][c]);
}

// Rows of a full tile of C columns: as many sums as leave registers for the operands, of which AVX2
// has 16 and the others 32.
constexpr int rows_of_tile(int C) {
  constexpr bool few_registers = sizeof(f32) == 32;
  const int rows = (few_registers ? 12 : 24) / C;
  return rows < 6 ? rows : 6;
}

// `rows` x C registers of a product, in ascending rows.
template <class Meeting, int C, class Start, class Finish>
ESPALIER_INLINE void product(int64_t rows, Broadcast a, Panel b, int64_t depth, Start start,
                             Finish finish) {
  int64_t m = 0;
  const auto tiles_of = [&]<int R>() {
    for (; m + R <= rows; m += R, a.at += R * a.row)
      tile<Meeting, R, C>(
          a, b, depth, [&](int r, int c) ESPALIER_INLINE_LAMBDA { return start(m + r, c); },
          [&](int r, int c, f32 sum) ESPALIER_INLINE_LAMBDA { finish(m + r, c, sum); });
  };
  tiles_of.template operator()<rows_of_tile(C)>();
  tiles_of.template operator()<2>();
  tiles_of.template operator()<1>();
}

// Calls f.operator()<C>(first) for groups of 4, 2 or 1 of `count` column registers. A body for 3
// would be a third of all code here: without it, 33 to 48 tokens take a tenth longer.
template <class F>
ESPALIER_INLINE void for_groups(int64_t count, F f) {
  int64_t at = 0;
  for (; at + 4 <= count; at += 4) f.template operator()<4>(at);
  if (count - at >= 2) f.template operator()<2>(at), at += 2;
  if (count - at == 1) f.template operator()<1>(at);
}

constexpr auto from_zero = [](int64_t, int) ESPALIER_INLINE_LAMBDA { return f32(0.0f); };

// The factor that leaves a register as it is, whatever its words mean.
struct Unchanged {
  friend ESPALIER_INLINE f32 operator*(f32 x, Unchanged) { return x; }
};

// Writes factor(i) * rows^T: lane i of row d holds rows[i][d]. Lanes past `count`, up to a whole
// register, hold copies of the last row: finite where it is, and never used.
template <class Factor>
ESPALIER_INLINE void transpose(const float* rows, int64_t stride, int64_t count, int64_t head_dim,
                               float* to, int64_t to_stride, Factor factor) {
  for (int64_t i = 0; i < count; i += hardware_lanes) {
    const float* row[hardware_lanes];
    for (int l = 0; l < hardware_lanes; ++l)
      row[l] = rows + (i + l < count ? i + l : count - 1) * stride;
    const auto by = factor(i);
    float* at = to + i;
    int64_t d = 0;
    for (; d + 4 <= head_dim; d += 4) {
      f32 column[4];
      load_columns(row, d, column);
      for (int c = 0; c < 4; ++c, at += to_stride) (column[c] * by).store_unaligned(at);
    }
    for (; d < head_dim; ++d, at += to_stride) {
      for (int l = 0; l < hardware_lanes; ++l) at[l] = row[l][d];
      (f32::load_unaligned(at) * by).store_unaligned(at);
    }
  }
}

// Copies rows into a panel, row i times factor(i).
template <class Factor>
ESPALIER_INLINE Panel copy(const float* rows, int64_t stride, int64_t count, int64_t head_dim,
                           float* to, Factor factor) {
  const int64_t to_stride = registers_for(head_dim) * hardware_lanes;
  for (int64_t i = 0; i < count; ++i) {
    const f32 by = factor(i);
    for (int64_t d = 0; d < head_dim; d += hardware_lanes) {
      const f32 part = load_left(rows + i * stride + d, head_dim - d);
      (part * by).store_unaligned(to + i * to_stride + d);
    }
  }
  return {to, to_stride};
}

// True when rows of D values are whole registers, and so can be read and written where they are.
ESPALIER_INLINE bool whole(int64_t head_dim) { return head_dim % hardware_lanes == 0; }

// The rows as a panel: where they are, or copied if they end within a register, or if they stand a
// multiple of 512 bytes apart and so evict each other from the few cache sets that they share.
ESPALIER_INLINE Panel as_panel(const float* rows, int64_t stride, int64_t count, int64_t head_dim,
                               float* to) {
  if (whole(head_dim) && stride % 128 != 0) return {rows, stride};
  return copy(rows, stride, count, head_dim, to, [](int64_t) { return f32(1.0f); });
}

// Where a product of D columns goes: `rows` themselves, or a padded stand-in for flush() to copy.
ESPALIER_INLINE Rows stand_in(float* rows, int64_t stride, int64_t head_dim, float* padded) {
  if (whole(head_dim)) return {rows, stride};
  return {padded, registers_for(head_dim) * hardware_lanes};
}
ESPALIER_INLINE void flush(Rows from, float* rows, int64_t stride, int64_t count,
                           int64_t head_dim) {
  if (whole(head_dim)) return;
  for (int64_t i = 0; i < count; ++i)
    for (int64_t d = 0; d < head_dim; d += hardware_lanes) {
      const f32 part = f32::load_unaligned(from.at + i * from.stride + d);
      store_left(rows + i * stride + d, part, head_dim - d);
    }
}

// Where backward gathers its results, and where they belong.
struct Gradients {
  Rows q, k, v;
  float *dq, *dk, *dv;

  // Copies what stood elsewhere; rows of dq past the queries are zero.
  ESPALIER_INLINE void finish(const AttentionShape<float>& shape) const {
    const auto stride = shape.row_stride, head_dim = shape.head_dim;
    flush(q, dq, stride, shape.queries, head_dim);
    for (int64_t i = shape.queries; i < shape.tokens; ++i)
      for (int64_t d = 0; d < head_dim; d += hardware_lanes)
        store_left(dq + i * stride + d, f32(0.0f), head_dim - d);
    flush(k, dk, stride, shape.tokens, head_dim);
    flush(v, dv, stride, shape.tokens, head_dim);
  }
};

// to (+)= a b over whole registers of columns, row m times scale[m] where there is a scale.
template <class Meeting>
ESPALIER_NOINLINE static void multiply(int64_t rows, int64_t columns, Broadcast a, Panel b,
                                       int64_t depth, Rows to, bool add,
                                       const float* scale) noexcept {
  for_groups(registers_for(columns), [&]<int C>(int64_t first) {
    float* const at = to.at + first * hardware_lanes;
    const auto start = [&](int64_t m, int c) ESPALIER_INLINE_LAMBDA {
      return add ? f32::load_unaligned(at + m * to.stride + c * hardware_lanes) : f32(0.0f);
    };
    const Panel columns_of_b = {b.at + first * hardware_lanes, b.stride};
    product<Meeting, C>(rows, a, columns_of_b, depth, start,
                        [&](int64_t m, int c, f32 sum) ESPALIER_INLINE_LAMBDA {
                          if (scale) sum = sum * f32(scale[m]);
                          sum.store_unaligned(at + m * to.stride + c * hardware_lanes);
                        });
  });
}

}  // namespace espalier::ESPALIER_ISA
