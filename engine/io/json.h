// JSON for our own .cpp files; not a public header.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace espalier {

using Json = nlohmann::ordered_json;

// Parses JSON text of at most 16 nested levels and no duplicate names; throws a file error that
// names `origin` and what is wrong.
Json parse_json(std::string_view text, const std::string& origin);

}  // namespace espalier
