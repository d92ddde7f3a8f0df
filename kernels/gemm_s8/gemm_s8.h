// Exact matrix multiplication of 8-bit integers with a packed right-hand side.
//
//   S[m, n] = bias[n] + sum_k A[m, k] * B[k, n],   0 <= m < M, 0 <= n < N,   in 32 bits
//
// and, by `output`, what C (elements of that type, c_row_stride apart) receives:
//
//   s32      C = S
//   s8       C = limit(round(float(S) * multiplier[n]) + zero_point, -128, 127), then, where there
//            is a table, C = table[C + 128]
//   s16_sum  C = limit(C + limit(round(float(S) * multiplier[n]), -32768, 32767), -32768, 32767)
//
// float() rounds to nearest even, the product is one IEEE multiplication, round() is to nearest
// even, limit() saturates. Every row of the table gives the same integers.
//
// An activation with zero point z is multiplied as it lies; its bias holds -z * sum_k B[k, n].
//
// Contract: M, N >= 0; 0 <= K <= gemm_s8_longest_k, so that no sum leaves 32 bits (a bias takes
// what its own magnitude says). Multipliers are finite and not negative. `packed` starts at a
// multiple of 4 bytes; no other alignment is assumed. C overlaps no other operand. Only the named
// elements are read or written.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

// 65,793 * 128 * 255 < 2^31 (an unsigned operand of 255 included).
constexpr int64_t gemm_s8_longest_k = 65'793;

enum class GemmS8Output { s32, s8, s16_sum };

struct GemmS8 {
  int64_t M = 0, N = 0, K = 0;
  const int8_t* A = nullptr;
  int64_t a_row_stride = 0;
  const std::byte* packed_b = nullptr;
  const int32_t* bias = nullptr;  // N values, or none
  GemmS8Output output = GemmS8Output::s32;
  const float* multiplier = nullptr;  // N values, unless the output is s32
  int zero_point = 0;                 // of an s8 output
  const int8_t* table = nullptr;      // 256 values for an s8 output, or none
  void* C = nullptr;
  int64_t c_row_stride = 0;
};

// B[k, n] = B[k * k_stride + n * n_stride], packed into packed_size(K, N) bytes.
using GemmS8PackB = void(const int8_t* B, int64_t k_stride, int64_t n_stride, int64_t K, int64_t N,
                         std::byte* packed) noexcept;
using GemmS8PackedSize = int64_t(int64_t K, int64_t N) noexcept;
using GemmS8Run = void(const GemmS8& gemm) noexcept;

struct GemmS8Kernel {
  Isa isa;
  int panel;  // columns that are packed together
  GemmS8PackedSize* packed_size;
  GemmS8PackB* pack_b;
  GemmS8Run* run;
};

// Rows of the table, best first.
std::span<const GemmS8Kernel> gemm_s8_kernels() noexcept;

constexpr int gemm_s8_panel(Isa isa) noexcept {
  if (isa == Isa::cuda) return 1;  // one launch takes them all
  return isa == Isa::avx512vnni || isa == Isa::amx ? 32 : isa == Isa::scalar ? 8 : 16;
}

constexpr ESPALIER_INLINE int64_t gemm_s8_output_size(GemmS8Output output) noexcept {
  return output == GemmS8Output::s32 ? 4 : output == GemmS8Output::s16_sum ? 2 : 1;
}

// The part of `gemm` that computes panels [first, last) of its columns.
inline GemmS8 gemm_s8_panels(const GemmS8Kernel& row, GemmS8 gemm, int64_t first,
                             int64_t last) noexcept {
  const int64_t begin = first * row.panel;
  const int64_t end = last * row.panel < gemm.N ? last * row.panel : gemm.N;
  gemm.packed_b += row.packed_size(gemm.K, begin);
  gemm.C = static_cast<std::byte*>(gemm.C) + begin * gemm_s8_output_size(gemm.output);
  if (gemm.bias) gemm.bias += begin;
  if (gemm.multiplier) gemm.multiplier += begin;
  gemm.N = end - begin;
  return gemm;
}

// The part of `gemm` that computes rows [first, last).
inline GemmS8 gemm_s8_rows(GemmS8 gemm, int64_t first, int64_t last) noexcept {
  gemm.A += first * gemm.a_row_stride;
  gemm.C = static_cast<std::byte*>(gemm.C) +
           first * gemm.c_row_stride * gemm_s8_output_size(gemm.output);
  gemm.M = last - first;
  return gemm;
}

#define ESPALIER_GEMM_S8                \
  GemmS8PackedSize gemm_s8_packed_size; \
  GemmS8PackB gemm_s8_pack_b;           \
  GemmS8Run gemm_s8_run;
ESPALIER_DECLARE_DOT_ISAS(ESPALIER_GEMM_S8)
ESPALIER_IF_AMX(namespace amx{ESPALIER_GEMM_S8})
ESPALIER_DECLARE_CUDA(ESPALIER_GEMM_S8)
#undef ESPALIER_GEMM_S8

}  // namespace espalier
