// One element of either direction, as the scalar rows and a GPU compute it.
#pragma once

#include "kernels/unfold/unfold.h"

namespace espalier {

// The sizes of images without their border.
struct PlainImages {
  int64_t height, width, channels, padding;

  ESPALIER_ANYWHERE PlainImages(const Conv2dShape& s, int64_t border)
      : height(s.height - 2 * border),
        width(s.width - 2 * border),
        channels(s.in_channels),
        padding(border) {}
  ESPALIER_ANYWHERE int64_t size() const { return height * width * channels; }
};

// Element `index` of the patches of x, in whose border the value `border` stands.
template <class T>
ESPALIER_ANYWHERE T unfolded(const T* x, const PlainImages& plain, const Conv2dShape& s,
                             int64_t index, T border = 0) {
  const int64_t c = index % s.in_channels, v = index / s.in_channels % s.kernel_width;
  const int64_t u = index / (s.in_channels * s.kernel_width) % s.kernel_height;
  const int64_t pixel = index / s.depth() % s.out_pixels();
  const int64_t h = pixel / s.out_width() * s.stride + u - plain.padding;
  const int64_t w = pixel % s.out_width() * s.stride + v - plain.padding;
  if (h < 0 || h >= plain.height || w < 0 || w >= plain.width) return border;
  const int64_t image = index / (s.depth() * s.out_pixels());
  return x[image * plain.size() + (h * plain.width + w) * s.in_channels + c];
}

// Element `index` of the images that the patches fold to.
template <class T>
ESPALIER_ANYWHERE T folded(const T* patches, const PlainImages& plain, const Conv2dShape& s,
                           int64_t index) {
  const int64_t c = index % s.in_channels;
  const int64_t h = index / (s.in_channels * plain.width) % plain.height + plain.padding;
  const int64_t w = index / s.in_channels % plain.width + plain.padding;
  patches += index / plain.size() * s.out_pixels() * s.depth();
  T sum = 0;
  for (int64_t u = 0; u < s.kernel_height && u <= h; ++u) {
    if ((h - u) % s.stride || (h - u) / s.stride >= s.out_height()) continue;
    for (int64_t v = 0; v < s.kernel_width && v <= w; ++v) {
      if ((w - v) % s.stride || (w - v) / s.stride >= s.out_width()) continue;
      const int64_t pixel = (h - u) / s.stride * s.out_width() + (w - v) / s.stride;
      sum += patches[pixel * s.depth() + (u * s.kernel_width + v) * s.in_channels + c];
    }
  }
  return sum;
}

}  // namespace espalier
