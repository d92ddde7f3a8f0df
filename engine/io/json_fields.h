// Structs to JSON and back from one list of their fields; not a public header. A list of structs
// that is empty leaves no field.
//
// A struct takes part by a function found by argument-dependent lookup:
//   template <class Visit> void visit_fields(Options& o, Visit&& visit) {
//     visit("rate", o.rate);
//   }
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/io/json.h"

namespace espalier {

// A list of structs that take part themselves.
template <class Field>
constexpr bool is_struct_list = false;
template <class S>
constexpr bool is_struct_list<std::vector<S>> = !requires(S & s) {
  Json(s);
};

template <class S>
Json fields_to_json(const S& object) {
  Json json = Json::object();
  visit_fields(const_cast<S&>(object), [&](const char* name, auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (is_struct_list<Field>) {
      for (const auto& entry : field) json[name].push_back(fields_to_json(entry));
    } else if constexpr (requires { Json(field); })
      json[name] = field;
    else
      json[name] = fields_to_json<Field>(field);
  });
  return json;
}

constexpr size_t longest_json_list = 1024;

template <class Field>
bool json_fits(const Json& value) {
  if constexpr (std::is_same_v<Field, std::string>)
    return value.is_string();
  else if constexpr (std::is_same_v<Field, bool>)
    return value.is_boolean();
  else if constexpr (std::is_integral_v<Field>)
    return value.is_number_unsigned()
               ? std::in_range<Field>(value.template get<uint64_t>())
               : value.is_number_integer() && std::in_range<Field>(value.template get<int64_t>());
  else if constexpr (std::is_floating_point_v<Field>)
    return value.is_number() && std::isfinite(value.template get<double>());
  else {
    const auto* list = value.get_ptr<const Json::array_t*>();
    return list && list->size() <= longest_json_list &&
           std::all_of(list->begin(), list->end(), json_fits<typename Field::value_type>);
  }
}

// Sets the fields that `json` names and leaves the others. Unknown names, wrong types and numbers
// that a field cannot hold are file errors that name `origin` and the field.
template <class S>
void fields_from_json(S& object, const Json& json, const std::string& origin,
                      const std::string& prefix = "") {
  KnownFields fields(json, origin, prefix);
  visit_fields(object, [&](const char* name, auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    const Json* found = fields.find(name);
    if (!found) return;
    if constexpr (is_struct_list<Field>) {
      const auto* list = found->get_ptr<const Json::array_t*>();
      if (!list || list->size() > longest_json_list) fields.refuse_type(name, *found);
      field = Field(list->size());
      for (size_t i = 0; i < field.size(); ++i)
        fields_from_json(field[i], (*list)[i], origin, prefix + name + ".");
    } else if constexpr (!requires { Json(field); }) {
      fields_from_json(field, *found, origin, prefix + name + ".");
    } else {
      if (!json_fits<Field>(*found)) fields.refuse_type(name, *found);
      field = found->template get<Field>();
    }
  });
  fields.check_no_others();
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
