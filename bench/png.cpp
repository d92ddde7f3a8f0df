#include "bench/png.h"

#include "engine/io/file.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb/stb_image_write.h>

namespace espalier::bench {

std::vector<uint8_t> encode_png(const Canvas& canvas) {
  std::vector<uint8_t> bytes;
  const auto append = [](void* context, void* data, int size) {
    auto& out = *static_cast<std::vector<uint8_t>*>(context);
    const auto* begin = static_cast<const uint8_t*>(data);
    out.insert(out.end(), begin, begin + size);
  };
  stbi_write_png_to_func(append, &bytes, canvas.width(), canvas.height(), 3, canvas.rgb().data(),
                         canvas.width() * 3);
  return bytes;
}

void save_png(const Canvas& canvas, const std::string& path) {
  const std::vector<uint8_t> bytes = encode_png(canvas);
  write_atomically(path, {std::as_bytes(std::span(bytes))});
}

}  // namespace espalier::bench
