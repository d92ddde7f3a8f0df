// Operands as words: a word is a rounded value in fp32, or from avx512bf16 on a pair of bf16, the
// value of even k in its lower half.
#pragma once

#include "kernels/gemm_bf16/gemm_bf16.h"
#include "kernels/gemm_f32/gemm_f32_blocks_simd.h"
#include "kernels/simd_half.h"
#include "kernels/simd_product.h"

namespace espalier::ESPALIER_ISA {

constexpr int64_t k_group = pairs ? 2 : 1;

ESPALIER_INLINE int64_t words_in(int64_t K) { return (K + k_group - 1) / k_group; }

// The words of one value of k, or of an even k and the next.
ESPALIER_INLINE f32x16 words(const f32x16& even, const f32x16& odd) {
  if constexpr (!pairs) return round_to_bf16(even);
#if defined(__AVX512BF16__)
  static constexpr uint16_t order[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                         21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                         11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  __m512i halves;
  const auto rounded = _mm512_cvtne2ps_pbh(odd.part[0], even.part[0]);
  __builtin_memcpy(&halves, &rounded, sizeof halves);
  halves = _mm512_permutexvar_epi16(_mm512_loadu_si512(order), halves);
  return {{_mm512_castsi512_ps(halves)}};
#else
  return each(
      [](f32 low, f32 high) {
        const i32 below = bits_as<i32>(round_to_bf16(low));
        const i32 above = bits_as<i32>(round_to_bf16(high));
        // An arithmetic shift fills the upper half with signs, which the mask takes away.
        return bits_as<f32>(((below >> 16) & i32(0xffff)) | above);
      },
      even, odd);
#endif
}

// `width` lanes of K values each, value k of them at from + k * k_stride: their words, those of one
// word of k one after the other.
ESPALIER_INLINE void round_lanes(const float* from, int64_t k_stride, int64_t K, int64_t width,
                                 float* to) {
  for (int64_t k = 0; k < K; k += k_group, from += k_group * k_stride, to += width)
    blocks(width, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
      const f32x16 even = load(from + i, n);
      const bool whole = pairs && k + 1 < K;
      store(to + i, words(even, whole ? load(from + k_stride + i, n) : broadcast(0.0f)), n);
    });
}

// K values one after the other: their words one after the other.
ESPALIER_INLINE void round_row(const float* from, int64_t K, float* to) {
  if constexpr (!pairs) return round_lanes(from, 0, 1, K, to);
  auto* halves = reinterpret_cast<uint16_t*>(to);
  blocks(K, [&](int64_t i, int n) ESPALIER_INLINE_LAMBDA {
    store_half<Bf16InMemory>(halves + i, load(from + i, n), n + n % 2);
  });
}

// Takes a block of A rounded, into memory that the block owns.
struct Rounded {
  static constexpr int64_t block_rows = 48;
  const Gemm<float>& g;
  float* scratch;

  ESPALIER_INLINE Left take(int64_t row, int64_t rows, int64_t word, int64_t word_end) const {
    const int64_t k = word * k_group, end = word_end * k_group, count = word_end - word;
    const int64_t K = (end < g.K ? end : g.K) - k;
    const float* a = g.A + row * g.a_row_stride + k * g.a_k_stride;
    if (g.a_k_stride == 1) {
      for (int64_t r = 0; r < rows; ++r) round_row(a + r * g.a_row_stride, K, scratch + r * count);
      return {scratch, count, 1};
    }
    if (g.a_row_stride == 1) {
      round_lanes(a, g.a_k_stride, K, rows, scratch);
      return {scratch, 1, rows};
    }
    for (int64_t i = 0; i < K; i += k_group) {
      float lanes[k_group][block_rows];
      const int64_t both = K - i < k_group ? K - i : k_group;
      for (int64_t j = 0; j < both; ++j)
        for (int64_t r = 0; r < rows; ++r)
          lanes[j][r] = a[r * g.a_row_stride + (i + j) * g.a_k_stride];
      round_lanes(lanes[0], block_rows, both, rows, scratch + i / k_group * rows);
    }
    return {scratch, 1, rows};
  }
  // Rows are prefetched for the next block; columns, of which a row holds a few lines, were the
  // slower for it.
  ESPALIER_INLINE Block ahead(const Block& next) const {
    if (g.a_k_stride != 1) return {next.last, next.last, 0, 0};
    return {next.first, next.last, next.k * k_group, next.k_end * k_group};
  }
};

}  // namespace espalier::ESPALIER_ISA
