// Base64 (RFC 4648, section 4), as browsers send files in JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace espalier::app {

// None where the text is none: another character, or padding in the middle.
std::optional<std::vector<unsigned char>> from_base64(const std::string& text);

}  // namespace espalier::app
