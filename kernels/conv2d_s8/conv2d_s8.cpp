#include "kernels/conv2d_s8/conv2d_s8_scalar.h"

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

void conv2d_s8_patches(const int8_t* x, int8_t* patches, int64_t patch_stride,
                       const Conv2dShape& s) noexcept {
  constexpr int64_t block = conv2d_s8_slack + 1;
  // Bytes may alias the shape, which would be read, and its sizes divided, again after each.
  const int64_t out_height = s.out_height(), out_width = s.out_width(), row = s.row_size();
  const int64_t down = s.stride * row, along = s.stride * s.in_channels;
  const int64_t height = s.kernel_height;
  const int64_t run = s.kernel_width * s.in_channels;  // of a patch that lies in one piece
  const auto each_patch = [&](auto copy) {
    for (int64_t i = 0; i < out_height; ++i)
      for (int64_t j = 0; j < out_width; ++j, patches += patch_stride)
        copy(x + i * down + j * along, patches);
  };
  if (height == 3 && run <= block)  // a first layer's, where loops would take the time
    return each_patch([=](const int8_t* from, int8_t* to) {
      for (int64_t u = 0; u < 3; ++u) std::memcpy(to + u * run, from + u * row, block);
    });
  each_patch([=](const int8_t* from, int8_t* to) {
    for (int64_t u = 0; u < height; ++u, from += row, to += run)
      for (int64_t k = 0; k < run; k += block) std::memcpy(to + k, from + k, block);
  });
}

namespace {

void unfold_scalar(const int8_t* x, int8_t* patches, int64_t patch_stride, int64_t images,
                   int64_t padding, int8_t border, const Conv2dShape& s) noexcept {
  const PlainImages plain(s, padding);
  for (int64_t row = 0; row < images * s.out_pixels(); ++row)
    for (int64_t k = 0; k < patch_stride; ++k) *patches++ = patch_code(x, plain, s, border, row, k);
}

}  // namespace

std::span<const KernelRow<Conv2dS8Unfold>> conv2d_s8_unfold_kernels() noexcept {
  static constexpr KernelRow<Conv2dS8Unfold> rows[] = {
      ESPALIER_CUDA_ROW(conv2d_s8_unfold){Isa::scalar, unfold_scalar}};
  return rows;
}

}  // namespace espalier
