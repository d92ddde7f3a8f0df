// Max pooling on sixteen channels at a time. Forward visits each window's taps with the maximum in
// registers; backward visits each input pixel and gathers from the windows that cover it, so dx is
// written once, without a race and without clearing it first.
#pragma once

#include <limits>

#include "kernels/max_pool2d/max_pool2d.h"
#include "kernels/simd.h"

namespace espalier::ESPALIER_ISA {

struct Range {
  int64_t first, last;  // half open
};

// The taps of window i that lie inside an image side of `size`.
ESPALIER_INLINE Range taps_inside(int64_t i, int64_t size, const MaxPool2dShape& s) {
  const int64_t start = i * s.stride - s.padding;
  const int64_t left = size - start;
  return {start < 0 ? -start : 0, left < s.kernel ? left : s.kernel};
}

// The windows, of `count`, that cover pixel h along one side.
ESPALIER_INLINE Range windows_over(int64_t h, int64_t count, const MaxPool2dShape& s) {
  const int64_t end = (h + s.padding) / s.stride + 1;
  const int64_t before = h + s.padding - s.kernel;
  return {before < 0 ? 0 : before / s.stride + 1, end < count ? end : count};
}

// One output pixel; x points at the image.
ESPALIER_INLINE void pool_window(const float* x, float* y, uint8_t* argmax, int64_t i, int64_t j,
                                 const MaxPool2dShape& s) {
  constexpr float lowest = -std::numeric_limits<float>::infinity();
  const Range rows = taps_inside(i, s.height, s), columns = taps_inside(j, s.width, s);
  const float* corner =
      x + ((i * s.stride - s.padding) * s.width + j * s.stride - s.padding) * s.channels;
  blocks(s.channels, [&](int64_t c, int n) ESPALIER_INLINE_LAMBDA {
    f32x16 best = broadcast(lowest);
    f32x16 winner = broadcast(static_cast<float>(rows.first * s.kernel + columns.first));
    for (int64_t u = rows.first; u < rows.last; ++u)
      for (int64_t v = columns.first; v < columns.last; ++v) {
        const f32x16 value = load(corner + (u * s.width + v) * s.channels + c, n);
        const mask16 wins = (value > best) | is_nan(value);
        best = select(wins, value, best);
        winner = select(wins, broadcast(static_cast<float>(u * s.kernel + v)), winner);
      }
    store(y + c, best, n);
    if (argmax) store_u8(argmax + c, winner, n);
  });
}

// One input pixel, covered by windows `rows` x `columns` of an output that is out_width wide; dy
// and argmax point at the image's outputs.
ESPALIER_INLINE void gather_pixel(const float* dy, const uint8_t* argmax, float* dx, int64_t h,
                                  int64_t w, const Range& rows, const Range& columns,
                                  int64_t out_width, const MaxPool2dShape& s) {
  blocks(s.channels, [&](int64_t c, int n) ESPALIER_INLINE_LAMBDA {
    f32x16 sum = broadcast(0.0f);
    for (int64_t i = rows.first; i < rows.last; ++i)
      for (int64_t j = columns.first; j < columns.last; ++j) {
        const int64_t tap =
            (h + s.padding - i * s.stride) * s.kernel + w + s.padding - j * s.stride;
        const int64_t at = (i * out_width + j) * s.channels + c;
        const mask16 ours = load_u8(argmax + at, n) == broadcast(static_cast<float>(tap));
        sum = sum + select(ours, load(dy + at, n), broadcast(0.0f));
      }
    store(dx + c, sum, n);
  });
}

void max_pool2d_forward(const float* x, float* y, uint8_t* argmax, int64_t images,
                        const MaxPool2dShape& s) noexcept {
  const int64_t out_height = s.out_height(), out_width = s.out_width();
  for (int64_t b = 0; b < images; ++b, x += s.in_size())
    for (int64_t i = 0; i < out_height; ++i)
      for (int64_t j = 0; j < out_width; ++j) {
        pool_window(x, y, argmax, i, j, s);
        y += s.channels;
        if (argmax) argmax += s.channels;
      }
}

void max_pool2d_backward(const float* dy, const uint8_t* argmax, float* dx, int64_t images,
                         const MaxPool2dShape& s) noexcept {
  const int64_t out_height = s.out_height(), out_width = s.out_width(), out_size = s.out_size();
  for (int64_t b = 0; b < images; ++b, dy += out_size, argmax += out_size)
    for (int64_t h = 0; h < s.height; ++h) {
      const Range rows = windows_over(h, out_height, s);
      for (int64_t w = 0; w < s.width; ++w, dx += s.channels)
        gather_pixel(dy, argmax, dx, h, w, rows, windows_over(w, out_width, s), out_width, s);
    }
}

}  // namespace espalier::ESPALIER_ISA
