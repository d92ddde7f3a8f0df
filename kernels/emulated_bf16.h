// How products of bf16 treat denormals, for the headers that emulate them.
#pragma once

namespace emulated_bf16 {

// Zero in place of a denormal.
static inline __attribute__((always_inline)) float flushed(float x) {
  return -0x1p-126f < x && x < 0x1p-126f ? 0.0f : x;
}

}  // namespace emulated_bf16
