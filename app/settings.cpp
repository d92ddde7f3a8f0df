#include "app/settings.h"

#include <CLI/CLI.hpp>

#include "engine/io/json.h"

namespace espalier::app {
namespace {

void apply(const char* verb, const std::string& setting, Json& config) {
  const size_t equals = setting.find('=');
  if (equals == std::string::npos)
    argument_error(verb, "--set", "'" + setting + "'", "NAME=VALUE", "");
  const std::string text = setting.substr(equals + 1);
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) value = text;
  Json* place = &config;
  std::string name = setting.substr(0, equals);
  for (size_t dot; (dot = name.find('.')) != std::string::npos; name = name.substr(dot + 1))
    place = &(*place)[name.substr(0, dot)];
  (*place)[name] = value;
}

}  // namespace

CLI::Option* add_setting(CLI::App& verb, std::vector<std::string>& settings,
                         const std::string& flag, const std::string& field,
                         const std::string& help) {
  return verb.add_option(
      flag,
      [&settings, field](const CLI::results_t& values) {
        settings.push_back(field + "=" + values.at(0));
        return true;
      },
      help);
}

std::string with_settings(const char* verb, const std::string& config,
                          const std::vector<std::string>& settings) {
  Json json = Json::parse(config);
  try {
    for (const std::string& setting : settings) apply(verb, setting, json);
  } catch (const Json::exception& error) {
    argument_error(verb, "--set", "not applicable", "NAME=VALUE with a field of the configuration",
                   error.what());
  }
  return json.dump();
}

}  // namespace espalier::app
