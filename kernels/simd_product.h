// The one instruction that a product of matrices is made of: a word of one, in every lane, meets
// words of the other. A word is a float, or a pair of bf16: see gemm_bf16_words_simd.h.
#pragma once

#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

struct Fused {
  static ESPALIER_INLINE f32 multiply_add(f32 left, f32 right, f32 sum) {
    return fma(left, right, sum);
  }
};

constexpr bool pairs = Isa::ESPALIER_ISA >= Isa::avx512bf16;

// For words of bf16: sum + the product of two. vdpbf16ps stands by its name, since g++ 12 moves
// the sums of a loop through other registers around its intrinsic.
struct WordProduct {
  static ESPALIER_INLINE f32 multiply_add(f32 left, f32 right, f32 sum) {
#if defined(__AVX512BF16__)
    __m512 to = sum;
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(to) : "v"(left.data), "v"(right.data));
    return to;
#elif defined(ESPALIER_EMULATED_UNIT)
    return pairs ? emulated_avx512::dpbf16_ps(sum, left, right) : fma(left, right, sum).data;
#else
    return fma(left, right, sum);
#endif
  }
};

}  // namespace espalier::ESPALIER_ISA
