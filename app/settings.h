// --set NAME=VALUE: single settings onto a configuration.
#pragma once

#include <string>
#include <vector>

#include "app/command.h"
#include "engine/error.h"

namespace espalier::app {

// A flag that is another word for one setting, which it appends to `settings`.
CLI::Option* add_setting(CLI::App& verb, std::vector<std::string>& settings,
                         const std::string& flag, const std::string& field,
                         const std::string& help);

// The JSON text of a configuration with each setting applied: NAME may be dotted, VALUE is JSON or
// plain text. Argument errors, in the name of `verb`, where one has another form.
std::string with_settings(const char* verb, const std::string& config,
                          const std::vector<std::string>& settings);

// The configuration that `parse` makes of it; what it refuses is an argument error here.
template <class Config>
Config configured(const char* verb, const std::string& config,
                  const std::vector<std::string>& settings,
                  Config (*parse)(const std::string& text, const std::string& origin)) {
  const std::string text = with_settings(verb, config, settings);
  try {
    return parse(text, "--set");
  } catch (const Error& error) {
    throw Error(ErrorKind::argument, error.what());
  }
}

}  // namespace espalier::app
