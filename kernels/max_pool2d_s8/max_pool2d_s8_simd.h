// A register of channels at a time; each window's taps are visited with the maximum in it. The last
// register overlaps the one before; channels that do not fill one take half, or go one by one.
#pragma once

#include "kernels/max_pool2d_s8/max_pool2d_s8.h"
#include "kernels/simd_s8_table.h"

namespace espalier::ESPALIER_ISA {

#if defined(__x86_64__)
ESPALIER_INLINE s32 larger(s32 a, s32 b) { return _mm256_max_epi8(a, b); }
ESPALIER_INLINE __m128i larger(__m128i a, __m128i b) { return _mm_max_epi8(a, b); }
#else
ESPALIER_INLINE uint8x16_t larger(uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_s8(vmaxq_s8(vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)));
}
#endif
ESPALIER_INLINE int8_t larger(int8_t a, int8_t b) { return a < b ? b : a; }

// The part of a window that lies inside the image: `rows` x `columns` pixels from `corner` on.
struct InnerWindow {
  const int8_t* corner;
  int64_t rows, columns, row_stride, channels;
};

// The maximum over the window from channel c on, of whatever `load_from` makes of an address. Most
// windows of a 3x3 pooling lie inside: for those the loops are unrolled.
template <class Load>
ESPALIER_INLINE auto largest_in(const InnerWindow& w, int64_t c, Load load_from) {
  const int8_t* const corner = w.corner + c;
  const auto over = [&](int64_t rows, int64_t columns) __attribute__((always_inline)) {
    auto best = load_from(corner);
    for (int64_t u = 0; u < rows; ++u)
      for (int64_t v = 0; v < columns; ++v)
        best = larger(best, load_from(corner + u * w.row_stride + v * w.channels));
    return best;
  };
  return w.rows == 3 && w.columns == 3 ? over(3, 3) : over(w.rows, w.columns);
}

template <class Load, class Store>
ESPALIER_INLINE void pool_at_once(const InnerWindow& w, int8_t* y, int64_t codes, Load load_from,
                                  Store store_to) {
  for (int64_t c = 0; c < w.channels; c += codes) {
    if (c + codes > w.channels) c = w.channels - codes;
    store_to(y + c, largest_in(w, c, load_from));
  }
}

ESPALIER_INLINE void pool_codes(const InnerWindow& w, int8_t* y) {
  if (w.channels >= codes_at_once)
    return pool_at_once(
        w, y, codes_at_once,
        [](const int8_t* p) __attribute__((always_inline)) { return load_codes(p); },
        [](int8_t * p, auto codes) __attribute__((always_inline)) { store_codes(p, codes); });
#if defined(__x86_64__)
  if (w.channels >= 16)
    return pool_at_once(
        w, y, 16, [](const int8_t* p) __attribute__((always_inline)) {
          return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        },
        [](int8_t * p, __m128i codes) __attribute__((always_inline)) {
          _mm_storeu_si128(reinterpret_cast<__m128i*>(p), codes);
        });
#endif
  pool_at_once(
      w, y, 1, [](const int8_t* p) __attribute__((always_inline)) { return *p; },
      [](int8_t * p, int8_t code) __attribute__((always_inline)) { *p = code; });
}

// Where window i starts and ends inside an image side of `size`.
struct InnerSide {
  int64_t first, last;

  ESPALIER_INLINE InnerSide(int64_t i, int64_t size, const MaxPool2dShape& s) {
    first = i * s.stride - s.padding, last = first + s.kernel;
    if (first < 0) first = 0;
    if (last > size) last = size;
  }
};

void max_pool2d_s8(const int8_t* x, int8_t* y, int64_t images, const MaxPool2dShape& s) noexcept {
  const int64_t out_height = s.out_height(), out_width = s.out_width();
  const int64_t row_stride = s.width * s.channels;
  for (int64_t b = 0; b < images; ++b, x += s.in_size())
    for (int64_t i = 0; i < out_height; ++i) {
      const InnerSide rows(i, s.height, s);
      for (int64_t j = 0; j < out_width; ++j, y += s.channels) {
        const InnerSide columns(j, s.width, s);
        pool_codes({x + rows.first * row_stride + columns.first * s.channels,
                    rows.last - rows.first, columns.last - columns.first, row_stride, s.channels},
                   y);
      }
    }
}

}  // namespace espalier::ESPALIER_ISA
