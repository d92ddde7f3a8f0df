// GELU as the contract of mlp_bf16.h has it.
#pragma once

#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

// P fits (Phi(c) - 1/2) / c on [-4, 4], so that the result is off by 1.31e-4 at most, up to |v| =
// 8, and by 2.27e-4 |v| everywhere: found by trying steps of 1e-5 in fp32.
ESPALIER_INLINE f32x16 mlp_gelu(const f32x16& v) {
  const f32x16 above = max(broadcast(-4.0f), v);
  const f32x16 c = min(broadcast(4.0f), above);
  const f32x16 u = c * c;
  f32x16 p = broadcast(-4.39642878e-10f);
  p = fma(p, u, broadcast(5.06335347e-08f));
  p = fma(p, u, broadcast(-2.31277158e-06f));
  p = fma(p, u, broadcast(5.74365367e-05f));
  p = fma(p, u, broadcast(-0.000883083674f));
  p = fma(p, u, broadcast(0.00904087257f));
  p = fma(p, u, broadcast(-0.0650661513f));
  p = fma(p, u, broadcast(0.398187816f));
  return above * fma(c, p, broadcast(0.5f));
}

}  // namespace espalier::ESPALIER_ISA
