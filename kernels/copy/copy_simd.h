// Copies of 4-byte elements: block moves where rows are contiguous on both sides, register tiles
// where the strides cross.
#pragma once

#include "kernels/copy/copy.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

#if defined(__AVX512F__)
ESPALIER_INLINE f32 interleave_low(f32 a, f32 b) {
  const __m512i lane = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  return _mm512_permutex2var_ps(a, lane, b);
}
ESPALIER_INLINE f32 interleave_high(f32 a, f32 b) {
  const __m512i lane =
      _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  return _mm512_permutex2var_ps(a, lane, b);
}
#elif defined(__ARM_NEON)
ESPALIER_INLINE f32 interleave_low(f32 a, f32 b) { return vzip1q_f32(a, b); }
ESPALIER_INLINE f32 interleave_high(f32 a, f32 b) { return vzip2q_f32(a, b); }
#endif

// Exchanges rows and columns of a square of registers: lane c of row r becomes lane r of row c.
ESPALIER_INLINE void transpose(f32 (&row)[hardware_lanes]) {
#if defined(__AVX2__) && !defined(__AVX512F__)
  f32 pair[8], quad[8];
  for (int i = 0; i < 8; i += 2) {
    pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
    pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int k = 0; k < 2; ++k) {
      quad[i + 2 * k] = _mm256_shuffle_ps(pair[i + k], pair[i + k + 2], 0x44);
      quad[i + 2 * k + 1] = _mm256_shuffle_ps(pair[i + k], pair[i + k + 2], 0xee);
    }
  for (int i = 0; i < 4; ++i) {
    row[i] = _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20);
    row[i + 4] = _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31);
  }
#else
  // Interleaving row i with row i + n/2 turns the index (row, lane) by one bit; log2(n) turns
  // exchange row and lane.
  constexpr int half = hardware_lanes / 2;
  for (int turn = 1; turn < hardware_lanes; turn *= 2) {
    f32 next[hardware_lanes];
    for (int i = 0; i < half; ++i) {
      next[2 * i] = interleave_low(row[i], row[i + half]);
      next[2 * i + 1] = interleave_high(row[i], row[i + half]);
    }
    for (int i = 0; i < hardware_lanes; ++i) row[i] = next[i];
  }
#endif
}

// y[c][r] = x[r][c] for up to one register's lanes of rows and columns; x's columns and y's rows
// are contiguous.
ESPALIER_INLINE void transpose_part(const float* x, int64_t x_row, float* y, int64_t y_column,
                                    int rows, int columns) {
  f32 row[hardware_lanes];
  for (int r = 0; r < hardware_lanes; ++r)
    row[r] = r < rows ? load_part(x + r * x_row, columns) : f32(0.0f);
  transpose(row);
  for (int c = 0; c < hardware_lanes; ++c)
    if (c < columns) store_part(y + c * y_column, row[c], rows);
}

// Square tiles of sixteen, so that whole cache lines are read and written.
ESPALIER_INLINE void transpose_tile(const float* x, int64_t x_row, float* y, int64_t y_column,
                                    int rows, int columns) {
  for (int c = 0; c < columns; c += hardware_lanes)
    for (int r = 0; r < rows; r += hardware_lanes)
      transpose_part(x + r * x_row + c, x_row, y + c * y_column + r, y_column,
                     rows - r < hardware_lanes ? rows - r : hardware_lanes,
                     columns - c < hardware_lanes ? columns - c : hardware_lanes);
}

ESPALIER_INLINE void transpose_matrix(const float* x, int64_t x_row, float* y, int64_t y_column,
                                      int64_t rows, int64_t columns) {
  blocks(columns, [&](int64_t c, int column_count) {
    blocks(rows, [&](int64_t r, int row_count) {
      transpose_tile(x + r * x_row + c, x_row, y + c * y_column + r, y_column, row_count,
                     column_count);
    });
  });
}

ESPALIER_INLINE void copy_row(const float* x, float* y, int64_t count) {
  blocks(count, [&](int64_t i, int n) { store(y + i, load(x + i, n), n); });
}

void copy_4(const void* x, MatrixStrides x_strides, void* y, MatrixStrides y_strides, int64_t rows,
            int64_t columns) noexcept {
  const float* in = static_cast<const float*>(x);
  float* out = static_cast<float*>(y);
  if (x_strides.column == 1 && y_strides.column == 1) {
    for (int64_t r = 0; r < rows; ++r)
      copy_row(in + r * x_strides.row, out + r * y_strides.row, columns);
  } else if (x_strides.column == 1 && y_strides.row == 1) {
    transpose_matrix(in, x_strides.row, out, y_strides.column, rows, columns);
  } else if (x_strides.row == 1 && y_strides.column == 1) {
    transpose_matrix(in, x_strides.column, out, y_strides.row, columns, rows);
  } else {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        __builtin_memcpy(out + r * y_strides.row + c * y_strides.column,
                         in + r * x_strides.row + c * x_strides.column, sizeof(float));
  }
}

}  // namespace espalier::ESPALIER_ISA
