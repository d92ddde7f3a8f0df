#include "engine/io/image.h"

#include <memory>

#include "engine/error.h"
#include "engine/io/file.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#include <stb/stb_image.h>
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_STATIC
#include <stb/stb_image_resize.h>
#pragma GCC diagnostic pop

namespace espalier {
namespace {

constexpr int64_t max_pixels = 16'000'000;

struct Free {
  void operator()(stbi_uc* pixels) const { stbi_image_free(pixels); }
};

}  // namespace

Tensor load_image(const std::string& path, int64_t height, int64_t width, int64_t channels) {
  if (channels != 1 && channels != 3)
    argument_error("load_image", "channels", std::to_string(channels), "1 (grey) or 3 (RGB)", "");
  const MappedFile file(path);
  if (file.size() > size_t{1} << 30) file_error(path, "is larger than 1 GiB");
  const auto* bytes = reinterpret_cast<const stbi_uc*>(file.data());
  const int size = static_cast<int>(file.size());
  int columns = 0, rows = 0, stored = 0;
  if (!stbi_info_from_memory(bytes, size, &columns, &rows, &stored))
    file_error(path, std::string("no picture that can be read (") + stbi_failure_reason() + ")");
  if (static_cast<int64_t>(columns) * rows > max_pixels)
    file_error(path, "has more than 16 million pixels");
  const std::unique_ptr<stbi_uc, Free> pixels(
      stbi_load_from_memory(bytes, size, &columns, &rows, &stored, static_cast<int>(channels)));
  if (!pixels) file_error(path, std::string("damaged picture (") + stbi_failure_reason() + ")");
  const Tensor out = Tensor::empty({height, width, channels}, DType::u8);
  if (!stbir_resize_uint8(pixels.get(), columns, rows, 0, out.data<uint8_t>(),
                          static_cast<int>(width), static_cast<int>(height), 0,
                          static_cast<int>(channels)))
    file_error(path, "cannot be resized");
  return out;
}

}  // namespace espalier
