// A canvas as a PNG file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/canvas.h"

namespace espalier::bench {

std::vector<uint8_t> encode_png(const Canvas& canvas);

// Replaces `path` as write_atomically() does; throws a file error.
void save_png(const Canvas& canvas, const std::string& path);

}  // namespace espalier::bench
