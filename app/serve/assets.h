// The files of app/page/, which embed.py put into this binary.
#pragma once

#include <string_view>

namespace espalier::app {

struct Asset {
  std::string_view name, type, bytes;
};

// Null where app/page/ has no file of that name.
const Asset* find_asset(std::string_view name);

}  // namespace espalier::app
