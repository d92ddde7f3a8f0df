#include "engine/io/json.h"

#include <set>
#include <vector>

#include "engine/error.h"

namespace espalier {

Json parse_json(std::string_view text, const std::string& origin) {
  constexpr int max_depth = 16;
  std::vector<std::set<std::string>> names;
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > max_depth) file_error(origin, "JSON is nested deeper than 16 levels");
    if (event == Json::parse_event_t::object_start) names.emplace_back();
    if (event == Json::parse_event_t::object_end) names.pop_back();
    if (event == Json::parse_event_t::key && !names.back().insert(parsed.get<std::string>()).second)
      file_error(origin, "JSON names '" + parsed.get<std::string>() + "' twice");
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const Json::exception& error) {
    file_error(origin, std::string("not valid JSON: ") + error.what());
  }
}

}  // namespace espalier
