#include "engine/io/image.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "engine/error.h"
#include "engine/io/file.h"

namespace {

// A damaged header makes stb_image ask for gigabytes before it reads on; past this it gets none.
thread_local size_t largest_block = 0;

// Zeros, since the library decodes by Huffman tables that a damaged JPEG names and does not have:
// by zeros it finds the code 0, by what memory held it reads anywhere.
void* bounded_malloc(size_t size) { return size <= largest_block ? std::calloc(1, size) : nullptr; }

void* bounded_realloc(void* block, size_t size) {
  return size <= largest_block ? std::realloc(block, size) : nullptr;
}

}  // namespace

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
// The library copies no bytes from null and shifts signed numbers. UndefinedBehaviorSanitizer is
// for our code; AddressSanitizer watches the library's memory too.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((no_sanitize("undefined"))), apply_to = function)
#endif
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_NO_PIC
#define STBI_NO_PNM
#define STBI_NO_PSD
#define STBI_NO_TGA
#define STBI_MALLOC(size) bounded_malloc(size)
#define STBI_REALLOC(block, size) bounded_realloc(block, size)
#define STBI_FREE(block) std::free(block)
#include <stb/stb_image.h>
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_STATIC
#include <stb/stb_image_resize.h>
#if defined(__clang__)
#pragma clang attribute pop
#endif
#pragma GCC diagnostic pop

namespace espalier {
namespace {

// Deflate makes at most 1032 bytes of one. A GIF can promise any canvas and fill none of it: this
// is also what keeps a file of a few KB from taking hundreds of MB.
constexpr int64_t max_pixels_a_byte = 1032;
constexpr int64_t longest_side = 65'535;  // of a file's picture, as of any JPEG
constexpr int64_t longest_made = 16'384;  // of what is made of it, whose bytes stb counts in int
constexpr int64_t most_to_resize = 64 << 20;

// More than any block that a sound picture needs: four 16-bit channels, whole 16 x 16 tiles, and
// buffers that grow by doubling.
size_t block_limit(size_t file_size, int64_t columns, int64_t rows) {
  return static_cast<size_t>((columns + 16) * (rows + 16) * 16) + 2 * file_size + (64 << 10);
}

// What stb_image_resize takes at most: weights of both axes, a line of the file's picture in
// floats, and as many of the other as one such line adds to.
int64_t bytes_to_resize(int64_t columns, int64_t lines, int64_t width, int64_t height,
                        int64_t channels) {
  const auto reach = [](int64_t from, int64_t to) { return 4 * (from / to + 1) + 1; };
  const int64_t across = columns + reach(columns, width), down = lines + reach(lines, height);
  const int64_t weights = 24 * (std::max(across, width) + std::max(down, height));
  return weights + 4 * channels * (across + width * (reach(lines, height) + 2));
}

void check_made(int64_t height, int64_t width, int64_t channels) {
  const auto check_side = [](const char* name, int64_t side) {
    if (side < 1 || side > longest_made)
      argument_error("load_image", name, std::to_string(side),
                     "1 to " + std::to_string(longest_made) + " pixels", "");
  };
  check_side("height", height);
  check_side("width", width);
  if (channels != 1 && channels != 3)
    argument_error("load_image", "channels", std::to_string(channels), "1 (grey) or 3 (RGB)", "");
}

// What a header says, before anything is taken for it.
void check_promised(const std::string& origin, int64_t size, int64_t columns, int64_t lines,
                    int64_t most_pixels) {
  if (columns < 1 || lines < 1) file_error(origin, "holds no pixels");
  if (columns > longest_side || lines > longest_side)
    file_error(origin, "has a side of " + std::to_string(std::max(columns, lines)) +
                           " pixels; at most " + std::to_string(longest_side) + " are read");
  if (columns * lines > most_pixels)
    file_error(origin, "has " + std::to_string(columns * lines) + " pixels; at most " +
                           std::to_string(most_pixels) + " are read");
  if (columns * lines / max_pixels_a_byte > size)
    file_error(origin, "promises more than 1032 pixels for each of its bytes");
}

struct Free {
  void operator()(stbi_uc* pixels) const { stbi_image_free(pixels); }
};

}  // namespace

Tensor load_image(const std::string& path, int64_t height, int64_t width, int64_t channels) {
  return decode_image(MappedFile(path).bytes(), path, height, width, channels);
}

Tensor decode_image(std::span<const std::byte> file, const std::string& origin, int64_t height,
                    int64_t width, int64_t channels, int64_t most_pixels) {
  check_made(height, width, channels);
  if (file.size() > size_t{1} << 30) file_error(origin, "is larger than 1 GiB");
  const auto* bytes = reinterpret_cast<const stbi_uc*>(file.data());
  const int size = static_cast<int>(file.size());
  int columns = 0, rows = 0, stored = 0;
  largest_block = block_limit(file.size(), 0, 0);
  if (!stbi_info_from_memory(bytes, size, &columns, &rows, &stored))
    file_error(origin, std::string("no picture that can be read (") + stbi_failure_reason() + ")");
  const int64_t lines = std::abs(int64_t{rows});  // negative where a BMP stands the right way up
  check_promised(origin, size, columns, lines, most_pixels);
  if (bytes_to_resize(columns, lines, width, height, channels) > most_to_resize)
    file_error(origin, "has " + std::to_string(columns) + " x " + std::to_string(lines) +
                           " pixels, too narrow to make " + std::to_string(width) + " x " +
                           std::to_string(height) + " of");
  largest_block = block_limit(file.size(), columns, lines);
  const std::unique_ptr<stbi_uc, Free> pixels(
      stbi_load_from_memory(bytes, size, &columns, &rows, &stored, static_cast<int>(channels)));
  if (!pixels) file_error(origin, std::string("damaged picture (") + stbi_failure_reason() + ")");
  const Tensor out = Tensor::empty({height, width, channels}, DType::u8);
  if (columns == width && rows == height) {  // the filter would smooth what fits already
    std::copy_n(pixels.get(), out.numel(), out.data<uint8_t>());
    return out;
  }
  if (!stbir_resize_uint8(pixels.get(), columns, rows, 0, out.data<uint8_t>(),
                          static_cast<int>(width), static_cast<int>(height), 0,
                          static_cast<int>(channels)))
    file_error(origin, "cannot be resized");
  return out;
}

}  // namespace espalier
