// Reductions on sixteen lanes. Four independent accumulators hide the latency of an addition along
// a row; down the columns, a tile of 64 columns stays in registers.
#pragma once

#include <limits>

#include "kernels/reduce/reduce.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

constexpr int reduce_group = 4;  // accumulators

template <ReduceOp op>
ESPALIER_INLINE float reduce_neutral() {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  return op == ReduceOp::sum ? 0.0f : op == ReduceOp::maximum ? -infinity : infinity;
}

template <ReduceOp op>
ESPALIER_INLINE f32x16 reduce_combine(const f32x16& total, const f32x16& x) {
  if constexpr (op == ReduceOp::sum) return total + x;
  if constexpr (op == ReduceOp::maximum) return maximum(x, total);
  if constexpr (op == ReduceOp::minimum) return minimum(x, total);
}

template <ReduceOp op>
ESPALIER_INLINE float reduce_lanes(const f32x16& total) {
  if constexpr (op == ReduceOp::sum) return reduce_add(total);
  if constexpr (op == ReduceOp::maximum) return reduce_max(total);
  if constexpr (op == ReduceOp::minimum) return reduce_min(total);
}

template <ReduceOp op>
ESPALIER_INLINE float reduce_row(const float* x, int64_t width) {
  constexpr int64_t group = reduce_group * logical_lanes;
  const float neutral = reduce_neutral<op>();
  f32x16 total[reduce_group];
  for (f32x16& t : total) t = broadcast(neutral);
  int64_t done = 0;
  for (; done + group <= width; done += group)
    for (int k = 0; k < reduce_group; ++k)
      total[k] = reduce_combine<op>(total[k], load(x + done + k * logical_lanes));
  blocks(width - done, [&](int64_t i, int n) {
    total[0] = reduce_combine<op>(total[0], load(x + done + i, n, neutral));
  });
  return reduce_lanes<op>(reduce_combine<op>(reduce_combine<op>(total[0], total[1]),
                                             reduce_combine<op>(total[2], total[3])));
}

template <ReduceOp op>
ESPALIER_INLINE void reduce_each_row(const float* x, float* y, int64_t rows, int64_t width,
                                     int64_t row_stride) {
  for (int64_t r = 0; r < rows; ++r) y[r] = reduce_row<op>(x + r * row_stride, width);
}

// `count` columns, at most sixteen in each of `tiles` accumulators; only the last tile is short.
template <ReduceOp op, int tiles>
ESPALIER_INLINE void reduce_tile(const float* x, float* y, int64_t rows, int64_t row_stride,
                                 int last) {
  f32x16 total[tiles];
  for (f32x16& t : total) t = broadcast(reduce_neutral<op>());
  for (int64_t r = 0; r < rows; ++r, x += row_stride)
    for (int k = 0; k < tiles; ++k)
      total[k] = reduce_combine<op>(
          total[k], load(x + k * logical_lanes, k + 1 < tiles ? logical_lanes : last));
  for (int k = 0; k < tiles; ++k)
    store(y + k * logical_lanes, total[k], k + 1 < tiles ? logical_lanes : last);
}

template <ReduceOp op>
ESPALIER_INLINE void reduce_each_column(const float* x, float* y, int64_t rows, int64_t width,
                                        int64_t row_stride) {
  constexpr int64_t group = reduce_group * logical_lanes;
  int64_t done = 0;
  for (; done + group <= width; done += group)
    reduce_tile<op, reduce_group>(x + done, y + done, rows, row_stride, logical_lanes);
  blocks(width - done, [&](int64_t i, int n) {
    reduce_tile<op, 1>(x + done + i, y + done + i, rows, row_stride, n);
  });
}

// Calls f.operator()<op>() for the run-time `op`.
template <class F>
ESPALIER_INLINE void visit_reduce(ReduceOp op, F f) {
  switch (op) {
    case ReduceOp::sum:
      return f.template operator()<ReduceOp::sum>();
    case ReduceOp::maximum:
      return f.template operator()<ReduceOp::maximum>();
    case ReduceOp::minimum:
      return f.template operator()<ReduceOp::minimum>();
  }
}

void reduce_rows(ReduceOp op, const float* x, float* y, int64_t rows, int64_t width,
                 int64_t row_stride) noexcept {
  visit_reduce(
      op, [&]<ReduceOp constant>() { reduce_each_row<constant>(x, y, rows, width, row_stride); });
}

void reduce_columns(ReduceOp op, const float* x, float* y, int64_t rows, int64_t width,
                    int64_t row_stride) noexcept {
  visit_reduce(op, [&]<ReduceOp constant>() {
    reduce_each_column<constant>(x, y, rows, width, row_stride);
  });
}

// Two passes: the largest value by the tree, then the first element that is it.
void argmax_rows(const float* x, int64_t* index, int64_t rows, int64_t width,
                 int64_t row_stride) noexcept {
  for (int64_t r = 0; r < rows; ++r, x += row_stride) {
    const float largest = reduce_row<ReduceOp::maximum>(x, width);
    int64_t i = 0;
    while (i < width - 1 && x[i] != largest && (x[i] == x[i])) ++i;
    index[r] = i;
  }
}

}  // namespace espalier::ESPALIER_ISA
