// The one table of what the page may ask a job for: it makes the forms, checks what is posted and
// says how the command takes it.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace espalier::app {

struct JobField {
  enum class Type { model, choice, integer, number };
  std::string name;
  Type type;
  // How the command takes it: "--recover", "--set epochs", or empty where its place says so.
  std::string option;
  std::string label, help;
  std::string standard{};  // the default, as JSON; empty: none
  double minimum = 0, maximum = 0, step = 0;
  std::string unit{};  // behind the number, on the page and where `joins_unit` for the command
  bool joins_unit = false;
  std::vector<std::string> choices{};
  bool advanced = false, required = false;
  std::string accepts{};  // of a model: "fp32" or "any"
  // The default by what another field says.
  std::string by{};
  std::map<std::string, std::string> standards{};
};

struct JobForm {
  std::string verb, help;
  std::vector<JobField> fields;
};

const std::vector<JobForm>& job_forms();
// The answer of /api/settings.
std::string job_forms_json();

}  // namespace espalier::app
