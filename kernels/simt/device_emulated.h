// The vocabulary of kernels/simt/simt.h on the host, over kernels/simt/emulator.h.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/simt/emulator.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

#define threadIdx (::espalier::simt::lane->thread)
#define blockIdx (::espalier::simt::lane->block)
#define blockDim (::espalier::simt::running.block_size)
#define gridDim (::espalier::simt::running.grid_size)

namespace espalier::simt {

inline void sync_block() { wait_for_block(); }
inline void sync_warp() { wait_for_warp(); }
inline void sync_group(unsigned number, unsigned threads) { wait_for_group(number, threads); }

// Every lane gives a value and gets what `choose` makes of the 32 of them.
template <class T, class R, class F>
inline R exchange(const char* what, T value, F choose) {
  struct Slot {
    T value;
    R result;
  } slot{value, R()};
  collective(what, &slot, [&](Lane* const* lanes) {
    T values[warp_size];
    for (unsigned i = 0; i < warp_size; ++i)
      values[i] = static_cast<Slot*>(lanes[i]->collective_slot)->value;
    for (unsigned i = 0; i < warp_size; ++i)
      static_cast<Slot*>(lanes[i]->collective_slot)->result = choose(values, i, lanes);
  });
  return slot.result;
}

template <class T>
inline T shuffle_xor(T value, unsigned mask) {
  return exchange<T, T>("shuffle_xor", value, [&](const T* values, unsigned i, Lane* const*) {
    return values[(i ^ mask) % warp_size];
  });
}
template <class T>
inline T shuffle(T value, unsigned from) {
  struct Asked {
    T value;
    unsigned from;
  };
  return exchange<Asked, T>("shuffle", {value, from},
                            [](const Asked* asked, unsigned i, Lane* const*) {
                              return asked[asked[i].from % warp_size].value;
                            });
}
inline uint32_t ballot(bool value) {
  return exchange<bool, uint32_t>("ballot", value, [](const bool* values, unsigned, Lane* const*) {
    uint32_t bits = 0;
    for (unsigned i = 0; i < warp_size; ++i) bits |= static_cast<uint32_t>(values[i]) << i;
    return bits;
  });
}
inline bool any_lane(bool value) { return ballot(value) != 0; }

template <class T>
inline T& shared_memory() {
  return *reinterpret_cast<T*>(static_shared(sizeof(T)));
}

inline uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(static_cast<const unsigned char*>(p) - lane->shared);
}

inline float multiply_add(float a, float b, float c) { return std::fma(a, b, c); }
inline double multiply_add(double a, double b, double c) { return std::fma(a, b, c); }
template <class A>
inline int32_t dot_of_bytes(uint32_t a, uint32_t b, int32_t c) {
  for (unsigned shift = 0; shift < 32; shift += 8)
    c += static_cast<A>(a >> shift) * static_cast<int8_t>(b >> shift);
  return c;
}
inline int32_t dot_s8(uint32_t a, uint32_t b, int32_t c) { return dot_of_bytes<int8_t>(a, b, c); }
inline int32_t dot_u8_s8(uint32_t a, uint32_t b, int32_t c) {
  return dot_of_bytes<uint8_t>(a, b, c);
}
inline float float_of_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// CUDA's names of what <cmath> has.
using std::erf, std::exp, std::fabs, std::fmax, std::fmin, std::isinf, std::isnan, std::log,
    std::sqrt, std::tanh, std::exp2;

template <class... P, class... A>
void launch(void (*kernel)(P...), const Grid& grid, A... arguments) noexcept {
  if (recorded_work)
    return recorded_work->push_back(
        [=] { run_grid(grid, [&] { kernel(static_cast<P>(arguments)...); }); });
  run_grid(grid, [&] { kernel(static_cast<P>(arguments)...); });
}

}  // namespace espalier::simt
