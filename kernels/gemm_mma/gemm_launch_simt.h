// Products on tensor cores as kernels, and which of them suits: every file of such products names
// its type of gemm_mma_simt.h, its operands, what becomes of a sum, as `Finish`, and how many terms
// it has: a number, or MmaOneTerm, which takes no register.
#pragma once

#include <type_traits>

#include "kernels/gemm_mma/gemm_wgmma_simt.h"

namespace espalier::cuda {

using MmaOneTerm = std::integral_constant<int64_t, 1>;

template <class Type, class Tile, class Terms, class Finish>
__global__ void __launch_bounds__(Tile::threads)
    copied_kernel(const __grid_constant__ MmaShape s, MmaCopied<typename Type::Raw> a,
                  MmaCopied<typename Type::Raw> b, Terms terms, Finish finish) {
  mma_multiply<Type, Tile>(s, a, b, terms, finish);
}

template <class Type, class A, class B, class Terms, class Finish>
__global__ void __launch_bounds__(MmaSmallTile::threads)
    read_kernel(const __grid_constant__ MmaShape s, A a, B b, Terms terms, Finish finish) {
  mma_multiply<Type, MmaSmallTile>(s, a, b, terms, finish);
}

template <class Type, class Finish>
__global__ void __launch_bounds__(wgmma::threads)
    hopper_kernel(WgmmaShape s, const __grid_constant__ simt::TensorMap a,
                  const __grid_constant__ simt::TensorMap b, Finish finish) {
#if ESPALIER_HOPPER
  wgmma_multiply<Type>(s, a, b, finish);
#endif
}

// Of operands that are read element by element.
template <class Type, class A, class B, class Terms, class Finish>
void launch_read(const MmaShape& s, const A& a, const B& b, Terms terms, const Finish& finish) {
  simt::launch(read_kernel<Type, A, B, Terms, Finish>, mma_grid<MmaSmallTile>(s), s, a, b, terms,
               finish);
}

// False, with nothing done, where warpgroups do not take the product.
template <class Type, class Finish>
bool launch_on_hopper(const MmaShape& s, const MmaCopied<typename Type::Raw>& a,
                      const MmaCopied<typename Type::Raw>& b, const Finish& finish) {
  if constexpr (std::is_same_v<Type, MmaTf32>) {
    return false;
  } else {
    const WgmmaShape shape{s.M, s.N, s.K};
    WgmmaOperands operands;
    if (s.products.rank > 0 || s.terms.rank > 0 ||
        !wgmma_fits(shape, a.data, a.row_stride, b.data, b.row_stride, operands))
      return false;
    simt::launch(hopper_kernel<Type, Finish>, wgmma_grid(shape), shape, operands.a, operands.b,
                 finish);
    return true;
  }
}

// Bytes of a row of K values of one byte, filled up so that the next starts on a boundary of 16.
inline int64_t mma_packed_row(int64_t K) {
  return int64_t{simt::divide_up(K, mma_chunk)} * mma_chunk;
}

// Of operands whose rows start on boundaries of 16 bytes.
template <class Type, class Terms, class Finish>
void launch_copied(const MmaShape& s, const MmaCopied<typename Type::Raw>& a,
                   const MmaCopied<typename Type::Raw>& b, Terms terms, const Finish& finish) {
  if (launch_on_hopper<Type>(s, a, b, finish)) return;
  const simt::Grid large = mma_grid<MmaLargeTile>(s);
  if (large.blocks_x >= mma_fill_a_gpu)
    simt::launch(copied_kernel<Type, MmaLargeTile, Terms, Finish>, large, s, a, b, terms, finish);
  else
    simt::launch(copied_kernel<Type, MmaSmallTile, Terms, Finish>, mma_grid<MmaSmallTile>(s), s, a,
                 b, terms, finish);
}

}  // namespace espalier::cuda
