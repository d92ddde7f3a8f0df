// JSON for our own .cpp files; not a public header.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

using Json = nlohmann::ordered_json;

constexpr size_t max_json_names = 10'000;  // of one object

// Parses JSON text of at most 16 nested levels, 20,000 objects, 100,000 names and `max_json_names`
// in one object, none of them twice; throws a file error that names `origin` and what is wrong.
Json parse_json(std::string_view text, const std::string& origin);
// The same; null where parse_json() throws. For what anybody may have sent or laid somewhere: the
// library parses any depth, but copies and dumps level by level, as deep as the stack is.
Json json_or_null(std::string_view text);

// The text of `json` with U+FFFD for what is no UTF-8, at which dump() throws: names of files,
// messages and logs may be of any bytes.
std::string lossy_dump(const Json& json);

// The fields that a JSON object may have. Errors are file errors that name `origin` and the field
// inside `outer` ("model.", or empty).
class KnownFields {
 public:
  // Throws unless `json` is an object.
  KnownFields(const Json& json, const std::string& origin, const std::string& outer);
  // The value of a field, which now is known, or null.
  const Json* find(const char* name);
  [[noreturn]] void refuse_type(const char* name, const Json& value) const;
  // Throws if the object has another field.
  void check_no_others() const;

 private:
  const Json::object_t& fields_;
  const std::string &origin_, &outer_;
  std::vector<std::string_view> names_;
};

}  // namespace espalier
