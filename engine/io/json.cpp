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

constexpr int max_depth = 16;
// The library compares a new name with all that its object has, and behind an object looks through
// all that stands beside it. These keep that to seconds, however long the text.
constexpr size_t max_names = 100'000, max_objects = 20'000;

// Counts what a text that is parsed holds; file errors of `origin` past the bounds.
class OpenObjects {
 public:
  explicit OpenObjects(const std::string& origin) : origin_(origin) {}

  void open() {
    if (++objects_ > max_objects) refuse_more_than(max_objects, "objects");
    names_.emplace_back();
  }

  void close() { names_.pop_back(); }

  void add_name(const std::string& name) {
    if (!names_.back().insert(name).second) file_error(origin_, "JSON names '" + name + "' twice");
    if (names_.back().size() > max_json_names)
      refuse_more_than(max_json_names, "names in one object");
    if (++all_names_ > max_names) refuse_more_than(max_names, "names");
  }

 private:
  [[noreturn]] void refuse_more_than(size_t most, const char* of) const {
    file_error(origin_, "JSON has more than " + std::to_string(most) + " " + of);
  }

  const std::string& origin_;
  std::vector<std::set<std::string>> names_{};  // of each object that is open
  size_t objects_ = 0, all_names_ = 0;
};

}  // namespace

Json parse_json(std::string_view text, const std::string& origin) {
  OpenObjects objects(origin);
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > max_depth) file_error(origin, "JSON is nested deeper than 16 levels");
    if (event == Json::parse_event_t::object_start) objects.open();
    if (event == Json::parse_event_t::object_end) objects.close();
    if (event == Json::parse_event_t::key) objects.add_name(parsed.get<std::string>());
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
