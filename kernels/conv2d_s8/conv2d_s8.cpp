#include "kernels/conv2d_s8/conv2d_s8.h"

#include <cstring>

namespace espalier {

void conv2d_s8_pad(const int8_t* x, int8_t* padded, int64_t padding, int8_t border, int64_t first,
                   int64_t last, const Conv2dShape& s) noexcept {
  const int64_t margin = padding * s.in_channels, inside = s.row_size() - 2 * margin;
  std::memset(padded, border, static_cast<size_t>((last - first) * s.row_size()));
  for (int64_t h = first; h < last; ++h)
    if (h >= padding && h < s.height - padding)
      std::memcpy(padded + (h - first) * s.row_size() + margin, x + (h - padding) * inside,
                  static_cast<size_t>(inside));
}

namespace {

constexpr int64_t block = conv2d_s8_slack + 1;

// Calls copy(from, to) for the place of each patch in the image and in P.
template <class Copy>
void each_patch(const int8_t* x, int8_t* patches, int64_t patch_stride, const Conv2dShape& s,
                Copy copy) {
  for (int64_t i = 0; i < s.out_height(); ++i)
    for (int64_t j = 0; j < s.out_width(); ++j, patches += patch_stride)
      copy(x + i * s.stride * s.row_size() + j * s.stride * s.in_channels, patches);
}

}  // namespace

void conv2d_s8_patches(const int8_t* x, int8_t* patches, int64_t patch_stride,
                       const Conv2dShape& s) noexcept {
  const int64_t run = s.kernel_width * s.in_channels,
                row = s.row_size();          // a run lies in one piece
  if (s.kernel_height == 3 && run <= block)  // a first layer, where loops would take the time
    return each_patch(x, patches, patch_stride, s, [=](const int8_t* from, int8_t* to) {
      for (int64_t u = 0; u < 3; ++u) std::memcpy(to + u * run, from + u * row, block);
    });
  each_patch(x, patches, patch_stride, s, [&](const int8_t* from, int8_t* to) {
    for (int64_t u = 0; u < s.kernel_height; ++u, from += row, to += run)
      for (int64_t k = 0; k < run; k += block) std::memcpy(to + k, from + k, block);
  });
}

}  // namespace espalier
