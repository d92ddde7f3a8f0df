// Chains of products of tiles: four sums, enough to hide a latency of 52 cycles where a product
// starts every 16.
#pragma once

#include "kernels/peak/peak.h"
#include "kernels/simd_amx.h"

namespace espalier::ESPALIER_ISA {

// Chain i starts at i in every element of type Sum; both operands are one value everywhere.
// `depth` values of k meet in a product. The sink receives the sum of all elements.
template <class Dot, class Sum, class Left, class Right>
ESPALIER_INLINE int64_t run_tile_chains(Left left, Right right, int64_t depth, int64_t steps,
                                        float* sink) {
  constexpr int64_t chains = 4, elements = tile_side * tile_side;
  alignas(64) Left lefts[tile_row_bytes / sizeof(Left)];
  alignas(64) Right rights[tile_row_bytes / sizeof(Right)];
  alignas(64) Sum sums[chains][elements], starts[chains][tile_side];
  for (Left& value : lefts) value = left;
  for (Right& value : rights) value = right;
  for (int64_t i = 0; i < chains; ++i)
    for (Sum& value : starts[i]) value = static_cast<Sum>(i);
  {
    const TileScope scope(TileProduct::shapes(tile_side));
    load_tile<0>(starts[0], 0), load_tile<1>(starts[1], 0);
    load_tile<2>(starts[2], 0), load_tile<3>(starts[3], 0);
    load_tile<4>(lefts, 0), load_tile<6>(rights, 0);
    for (int64_t s = 0; s < steps; ++s) {
      Dot::template add<0, 4, 6>(), Dot::template add<1, 4, 6>();
      Dot::template add<2, 4, 6>(), Dot::template add<3, 4, 6>();
    }
    store_tile<0>(sums[0], tile_row_bytes), store_tile<1>(sums[1], tile_row_bytes);
    store_tile<2>(sums[2], tile_row_bytes), store_tile<3>(sums[3], tile_row_bytes);
  }
  double sum = 0;
  for (const auto& chain : sums)
    for (Sum value : chain) sum += static_cast<double>(value);
  sink[0] = static_cast<float>(sum);
  return steps * chains * elements * depth * 2;
}

}  // namespace espalier::ESPALIER_ISA
