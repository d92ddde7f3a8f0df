#include "engine/io/crc32.h"

#include <array>

namespace espalier {
namespace {

constexpr std::array<uint32_t, 256> remainders = [] {
  constexpr uint32_t polynomial = 0xedb88320;  // bits reversed
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = value & 1 ? value >> 1 ^ polynomial : value >> 1;
    table[byte] = value;
  }
  return table;
}();

}  // namespace

uint32_t crc32(uint32_t start, std::span<const std::byte> bytes) noexcept {
  uint32_t value = ~start;
  for (const std::byte byte : bytes)
    value = value >> 8 ^ remainders[(value ^ std::to_integer<uint32_t>(byte)) & 0xff];
  return ~value;
}

}  // namespace espalier
