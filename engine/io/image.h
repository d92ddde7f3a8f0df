// Pictures from disk.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "engine/tensor.h"

namespace espalier {

// A PNG, JPEG, BMP or GIF picture as u8 [height, width, channels], resized to the given size by
// area and filter as stb_image_resize does unless it has that size, grey when `channels` is 1 and
// RGB when it is 3. Height and width are 1 to 16,384.
// Damaged files are file errors, and so are pictures of more than 16 million pixels, of 1032 for
// each byte of the file, of a side above 65,535, or so narrow that to resize them would take more
// than 64 MiB.
Tensor load_image(const std::string& path, int64_t height, int64_t width, int64_t channels);

// The same of a file's bytes in memory, whose errors name `origin`; at most `most_pixels`.
Tensor decode_image(std::span<const std::byte> file, const std::string& origin, int64_t height,
                    int64_t width, int64_t channels, int64_t most_pixels = 16'000'000);

}  // namespace espalier
