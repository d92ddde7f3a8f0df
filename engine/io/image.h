// Pictures from disk.
#pragma once

#include <string>

#include "engine/tensor.h"

namespace espalier {

// A PNG, JPEG, BMP or GIF picture as u8 [height, width, channels], resized to the given size
// by area and filter as stb_image_resize does, grey when `channels` is 1 and RGB when it is 3.
// Damaged files, and pictures of more than 16 million pixels or of 1032 for each byte of the file,
// are file errors.
Tensor load_image(const std::string& path, int64_t height, int64_t width, int64_t channels);

}  // namespace espalier
