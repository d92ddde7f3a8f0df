#include "engine/io/json.h"

#include <algorithm>
#include <set>

#include "engine/error.h"

namespace espalier {
namespace {

const Json::object_t& fields_of(const Json& json, const std::string& origin,
                                const std::string& outer) {
  const auto* fields = json.get_ptr<const Json::object_t*>();
  if (!fields) file_error(origin, "'" + outer + "' is no JSON object");
  return *fields;
}

}  // namespace

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

Json json_or_null(std::string_view text) {
  try {
    return parse_json(text, "");
  } catch (const Error&) {
    return {};
  }
}

std::string lossy_dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

KnownFields::KnownFields(const Json& json, const std::string& origin, const std::string& outer)
    : fields_(fields_of(json, origin, outer)), origin_(origin), outer_(outer) {}

const Json* KnownFields::find(const char* name) {
  names_.emplace_back(name);
  for (const auto& [found, value] : fields_)
    if (found == name) return &value;
  return nullptr;
}

void KnownFields::refuse_type(const char* name, const Json& value) const {
  file_error(origin_, "field '" + outer_ + name + "' is " + value.dump().substr(0, 60) +
                          ", of the wrong type or out of its range");
}

void KnownFields::check_no_others() const {
  for (const auto& [name, value] : fields_)
    if (std::find(names_.begin(), names_.end(), name) == names_.end())
      file_error(origin_, "field '" + outer_ + name + "' is unknown");
}

}  // namespace espalier
