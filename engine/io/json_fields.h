// Structs to JSON and back from one list of their fields; not a public header.
//
// A struct takes part by a function found by argument-dependent lookup:
//   template <class Visit> void visit_fields(Options& o, Visit&& visit) {
//     visit("rate", o.rate);
//   }
#pragma once

#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/error.h"
#include "engine/io/json.h"

namespace espalier {

template <class S>
Json fields_to_json(const S& object) {
  Json json = Json::object();
  visit_fields(const_cast<S&>(object), [&](const char* name, auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (requires { Json(field); })
      json[name] = field;
    else
      json[name] = fields_to_json<Field>(field);
  });
  return json;
}

template <class Field>
bool json_fits(const Json& value) {
  if constexpr (std::is_same_v<Field, std::string>)
    return value.is_string();
  else if constexpr (std::is_same_v<Field, bool>)
    return value.is_boolean();
  else if constexpr (std::is_integral_v<Field>)
    return value.is_number_integer() && (std::is_signed_v<Field> || value.is_number_unsigned());
  else if constexpr (std::is_floating_point_v<Field>)
    return value.is_number() && std::isfinite(value.template get<double>());
  else {
    if (!value.is_array() || value.size() > 1024) return false;
    for (const Json& entry : value)
      if (!json_fits<typename Field::value_type>(entry)) return false;
    return true;
  }
}

// Sets the fields that `json` names and leaves the others. Unknown names and wrong types are file
// errors that name `origin` and the field.
template <class S>
void fields_from_json(S& object, const Json& json, const std::string& origin,
                      const std::string& prefix = "") {
  if (!json.is_object()) file_error(origin, "'" + prefix + "' is no JSON object");
  size_t known = 0;
  visit_fields(object, [&](const char* name, auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    const auto found = json.find(name);
    if (found == json.end()) return;
    ++known;
    if constexpr (!requires { Json(field); }) {
      fields_from_json(field, *found, origin, prefix + name + ".");
    } else {
      if (!json_fits<Field>(*found))
        file_error(origin, "field '" + prefix + name + "' is " + found->dump().substr(0, 60) +
                               ", of the wrong type");
      field = found->template get<Field>();
    }
  });
  if (known == json.size()) return;
  for (const auto& item : json.items()) {
    const std::string& name = item.key();
    bool listed = false;
    visit_fields(object, [&](const char* field, auto&) { listed |= name == field; });
    if (!listed) file_error(origin, "field '" + prefix + name + "' is unknown");
  }
}

// A configuration from JSON text, validated: what validate() refuses is an error of the file too.
template <class S>
S config_from_json(const std::string& text, const std::string& origin) {
  S config;
  fields_from_json(config, parse_json(text, origin), origin);
  try {
    validate(config);
  } catch (const Error& error) {
    file_error(origin, error.what());
  }
  return config;
}

}  // namespace espalier
