// Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011).
//
// A sequence is named by (seed, stream) and addressed by element, so any part of a fill has the
// values of the whole: fill(offset, out, count) gives elements offset .. offset + count - 1.
// Element e is word e / 16 % 4 of the block whose counter is
//   { low, high of b; low, high of stream },  b = e / 64 * 16 + e % 16,  key { low, high of seed }
// so that sixteen lanes make 64 elements in order. From word w of its element come
//   u32      w
//   uniform  (w >> 8) * 2^-24, in [0, 1)
//   keep     1 where w >= threshold, else 0: dropping with probability threshold / 2^32
//   normal   Box and Muller (1958): words 0 and 1 of a block give r cos a and r sin a, as do words
//            2 and 3, with r = sqrt(-2 ln((w + 0.5) / 2^32)) of the even word and a = 2 pi w / 2^32
//            of the odd one; |normal| < 6.77
//
// Contract: no alignment is assumed, count may be zero, offset + count may wrap at 2^64. Every row,
// the scalar one too, gives the same bits, normals included: logarithm, sine and cosine are our own
// polynomials. The tables for double hold the oracle: the same uniforms widened, and normals of the
// same words by the C library.
#pragma once

#include <cstdint>

#include "kernels/rows.h"

namespace espalier {

struct PhiloxKey {
  uint64_t seed, stream;
};

struct PhiloxBlock {
  uint32_t word[4];
};

constexpr uint32_t philox_multiplier[2] = {0xD2511F53u, 0xCD9E8D57u};
constexpr uint32_t philox_weyl[2] = {0x9E3779B9u, 0xBB67AE85u};  // golden ratio, sqrt(3) - 1
constexpr int philox_rounds = 10;
constexpr int philox_group = 64;  // elements that sixteen blocks give in order

// The bijection itself.
constexpr PhiloxBlock philox_block(PhiloxBlock c, uint32_t key0, uint32_t key1) noexcept {
  // A GPU reads no array of the processor, but knows what is constant.
  constexpr uint64_t even = philox_multiplier[0], odd = philox_multiplier[1];
  constexpr uint32_t step0 = philox_weyl[0], step1 = philox_weyl[1];
  for (int round = 0; round < philox_rounds; ++round) {
    const uint64_t p0 = even * c.word[0], p1 = odd * c.word[2];
    c = {{static_cast<uint32_t>(p1 >> 32) ^ c.word[1] ^ key0, static_cast<uint32_t>(p1),
          static_cast<uint32_t>(p0 >> 32) ^ c.word[3] ^ key1, static_cast<uint32_t>(p0)}};
    key0 += step0;
    key1 += step1;
  }
  return c;
}

// The four words that elements of block `b` are made from.
constexpr PhiloxBlock philox_words(PhiloxKey key, uint64_t b) noexcept {
  const PhiloxBlock counter = {{static_cast<uint32_t>(b), static_cast<uint32_t>(b >> 32),
                                static_cast<uint32_t>(key.stream),
                                static_cast<uint32_t>(key.stream >> 32)}};
  return philox_block(counter, static_cast<uint32_t>(key.seed),
                      static_cast<uint32_t>(key.seed >> 32));
}

// Element `offset` of a u32 fill, for those who need one number.
constexpr uint32_t philox_word_at(PhiloxKey key, uint64_t offset) noexcept {
  return philox_words(key, offset / 64 * 16 + offset % 16).word[offset / 16 % 4];
}

template <class T>
using PhiloxFill = void(PhiloxKey key, uint64_t offset, T* out, int64_t count) noexcept;
using PhiloxKeep = void(PhiloxKey key, uint64_t offset, uint32_t threshold, uint8_t* out,
                        int64_t count) noexcept;

// PhiloxKeep with a seed that is read where the fill is made, when it is made: a launch on a GPU
// that is recorded can then be done again with another.
using PhiloxKeepSeedAt = void(const uint64_t* seed, uint64_t stream, uint64_t offset,
                              uint32_t threshold, uint8_t* out, int64_t count) noexcept;

std::span<const KernelRow<PhiloxFill<uint32_t>>> philox_u32_kernels() noexcept;
std::span<const KernelRow<PhiloxKeep>> philox_keep_kernels() noexcept;
std::span<const KernelRow<PhiloxKeepSeedAt>> philox_keep_seed_at_kernels() noexcept;
template <class T>
std::span<const KernelRow<PhiloxFill<T>>> philox_uniform_kernels() noexcept;
template <class T>
std::span<const KernelRow<PhiloxFill<T>>> philox_normal_kernels() noexcept;

ESPALIER_DECLARE_ISAS(PhiloxFill<uint32_t> philox_u32; PhiloxFill<float> philox_uniform;
                      PhiloxFill<float> philox_normal; PhiloxKeep philox_keep;)
ESPALIER_DECLARE_CUDA(PhiloxFill<uint32_t> philox_u32; PhiloxFill<float> philox_uniform;
                      PhiloxFill<float> philox_normal; PhiloxKeep philox_keep;
                      PhiloxKeepSeedAt philox_keep_seed_at;)

}  // namespace espalier
