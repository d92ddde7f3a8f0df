#include "app/serve/base64.h"

#include <cstdint>
#include <string_view>

namespace espalier::app {

std::optional<std::vector<unsigned char>> from_base64(const std::string& text) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const size_t end = text.find_last_not_of('=') + 1;
  if (text.size() % 4 != 0 || text.size() - end > 2) return std::nullopt;
  std::vector<unsigned char> bytes;
  bytes.reserve(end * 3 / 4);
  uint32_t bits = 0;
  int held = 0;
  for (size_t i = 0; i < end; ++i) {
    const size_t digit = digits.find(text[i]);
    if (digit == digits.npos) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push_back(static_cast<unsigned char>(bits >> held & 0xff));
  }
  return bytes;
}

}  // namespace espalier::app
