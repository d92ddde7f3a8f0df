// AMX for machines without it: its tiles as arrays of the thread, for kernels/simd_amx.h.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/emulated_bf16.h"

namespace emulated_amx {

static thread_local unsigned char tiles[8][16][64];
static thread_local uint8_t rows[8];

static inline void load(int tile, const void* from, int64_t stride) {
  const auto* row = static_cast<const unsigned char*>(from);
  for (int r = 0; r < rows[tile]; ++r, row += stride) std::memcpy(tiles[tile][r], row, 64);
}
static inline void store(int tile, void* to, int64_t stride) {
  auto* row = static_cast<unsigned char*>(to);
  for (int r = 0; r < rows[tile]; ++r, row += stride) std::memcpy(row, tiles[tile][r], 64);
}

template <class T>
static inline T at(int tile, int row, int index) {
  T value;
  std::memcpy(&value, tiles[tile][row] + index * static_cast<int>(sizeof(T)), sizeof(T));
  return value;
}

using emulated_bf16::flushed;

static inline float bf16_at(int tile, int row, int index) {
  const uint32_t bits = static_cast<uint32_t>(at<uint16_t>(tile, row, index)) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return flushed(value);
}

static inline void dot_bf16(int sum, int left, int right) {
  for (int m = 0; m < rows[sum]; ++m)
    for (int n = 0; n < 16; ++n) {
      float total[2] = {};
      for (int k = 0; k < 32; ++k)
        total[k % 2] = flushed(__builtin_fmaf(bf16_at(left, m, k),
                                              bf16_at(right, k / 2, 2 * n + k % 2), total[k % 2]));
      const float both = flushed(total[0] + total[1]);
      const float value = flushed(flushed(at<float>(sum, m, n)) + both);
      std::memcpy(tiles[sum][m] + 4 * n, &value, sizeof(value));
    }
}

static inline void dot_u8s8(int sum, int left, int right) {
  for (int m = 0; m < rows[sum]; ++m)
    for (int n = 0; n < 16; ++n) {
      int32_t value = at<int32_t>(sum, m, n);
      for (int k = 0; k < 64; ++k)
        value += at<uint8_t>(left, m, k) * at<int8_t>(right, k / 4, 4 * n + k % 4);
      std::memcpy(tiles[sum][m] + 4 * n, &value, sizeof(value));
    }
}

}  // namespace emulated_amx
