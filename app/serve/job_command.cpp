#include "app/serve/job_command.h"

#include <algorithm>
#include <CLI/CLI.hpp>
#include <cmath>

#include "app/command.h"
#include "app/serve/http.h"
#include "app/serve/job_fields.h"
#include "engine/error.h"
#include "engine/io/json.h"

namespace espalier::app {
namespace {

using Type = JobField::Type;

[[noreturn]] void refuse(const std::string& argument, const std::string& sentence) {
  throw HttpError{422, "arguments", argument + ": " + sentence, argument};
}

const JobForm& form_of(const std::string& verb) {
  for (const JobForm& form : job_forms())
    if (form.verb == verb) return form;
  throw HttpError{422, "arguments",
                  "verb is none that the page can start; expected train, compress, learn, profile "
                  "or bench",
                  "verb"};
}

std::string text_of(double value) {
  Json json = value;
  if (value == std::floor(value) && std::abs(value) < 1e15) json = static_cast<int64_t>(value);
  return json.dump();
}

// A value as the command takes it.
std::string checked(const JobField& field, const Json& value) {
  if (field.type == Type::integer || field.type == Type::number) {
    if (!value.is_number()) refuse(field.name, "expected a number");
    const double got = value.get<double>();
    if (!(got >= field.minimum && got <= field.maximum))
      refuse(field.name, text_of(got) + " is out of range; expected " + text_of(field.minimum) +
                             " to " + text_of(field.maximum));
    if (field.type == Type::integer && got != std::floor(got))
      refuse(field.name, text_of(got) + " is no whole number");
    return text_of(got) + (field.joins_unit ? field.unit : "");
  }
  if (!value.is_string()) refuse(field.name, "expected a text");
  const auto got = value.get<std::string>();
  if (field.type == Type::choice &&
      std::find(field.choices.begin(), field.choices.end(), got) == field.choices.end())
    refuse(field.name, "expected one of: " + joined(field.choices));
  return got;
}

Json parsed(const std::string& arguments, const JobForm& form) {
  Json json = json_or_null(arguments);
  if (!json.is_object()) refuse("arguments", "expected an object");
  for (const auto& [name, value] : json.items())
    if (std::none_of(form.fields.begin(), form.fields.end(),
                     [&name = name](const JobField& field) { return field.name == name; }))
      refuse(name, "there is no such field of " + form.verb + "; /api/settings has them");
  return json;
}

// Pruned models are recovered unless that is forbidden; nothing else can be.
void settle_compress(Json& values) {
  const auto given = [&](const char* name) {
    return values.contains(name) && !values[name].is_null() && values[name] != "" &&
           values[name] != 0;
  };
  const bool prunes = given("sparsity") || given("target") || given("preset");
  if (!prunes) values.erase("recover");
  if (prunes && !values.contains("recover") && given("sparsity")) values["recover"] = 1;
  // 0 stands for no budget; the command takes none by its absence.
  for (const char* name : {"max_size", "max_latency", "min_accuracy", "qat", "sparsity"})
    if (values.contains(name) && values[name] == 0) values.erase(name);
  for (const char* chooses : {"target", "preset"}) {
    if (!given(chooses)) continue;
    for (const char* left_out : {"dtype", "sparsity"})
      if (values.contains(left_out))
        refuse(left_out, std::string("leave it out where there is a ") + chooses);
    if (chooses == std::string("target") && given("qat"))
      refuse("qat", "leave it out where there is a target");
  }
  if (given("target") && given("preset")) refuse("preset", "leave it out where there is a target");
  if (values.value("dtype", Json()) == "f32" && !given("sparsity"))
    refuse("sparsity", "above 0 where quantisation is f32: nothing would change");
}

// What the command's own parser has to say.
void check_words(const std::vector<std::string>& words) {
  CLI::App command{"", "espalier"};
  command.require_subcommand(1);
  Body body;
  add_train(command, body);
  add_compress(command, body);
  add_learn(command, body);
  add_profile(command, body);
  add_bench(command, body);
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    command.parse(reversed);
  } catch (const CLI::ParseError& error) {
    throw HttpError{422, "arguments", error.what()};
  }
}

// A job is kept as JSON, whose texts are UTF-8; a folder's name may be anything.
void check_utf8(const std::vector<std::string>& words) {
  for (const std::string& word : words) try {
      (void)Json(word).dump();
    } catch (const Json::exception&) {
      throw HttpError{422, "arguments",
                      word +
                          " is no UTF-8, and a job's file cannot name it; rename the folder or "
                          "the file, or start this from a terminal"};
    }
}

std::vector<std::string> words_before(const std::string& verb) {
  return verb == "bench" ? std::vector<std::string>{"bench", "hardware"}
                         : std::vector<std::string>{verb};
}

void add_common(std::vector<std::string>& words, const std::string& verb, const std::string& folder,
                const std::string& data) {
  if (verb != "profile" && verb != "bench" && data != default_data_folder())
    words.insert(words.end(), {"--data", data});
  words.insert(words.end(), {"--progress", folder + "/progress.json"});
}

}  // namespace

JobCommand job_command(const std::string& verb, const std::string& arguments,
                       const std::string& folder, const std::string& data,
                       const ModelLookup& models) {
  const JobForm& form = form_of(verb);
  Json values = parsed(arguments, form);
  if (verb == "compress") settle_compress(values);
  JobCommand command{words_before(verb), verb};
  std::vector<std::string>& words = command.words;
  for (const JobField& field : form.fields) {
    if (!values.contains(field.name) || values[field.name].is_null()) {
      if (field.required) refuse(field.name, "choose one");
      continue;
    }
    std::string value = checked(field, values[field.name]);
    if (value.empty()) continue;
    if (field.type == Type::model) {
      const auto found = models(value);
      if (!found) refuse(field.name, "there is no such model (any more); /api/models has them");
      if (field.accepts == "fp32" && !found->fp32)
        refuse(field.name, "holds no trained fp32 model; choose one that /api/models calls fp32");
      value = found->argument;
      command.title += " " + found->title;
    } else if (field.name == "model" || field.name == "network" || field.name == "method") {
      command.title += " " + value;
    }
    if (field.option.empty()) {
      words.push_back(value);
    } else if (constexpr std::string_view set = "--set "; field.option.starts_with(set)) {
      words.insert(words.end(), {"--set", field.option.substr(set.size()) + "=" + value});
    } else {
      words.insert(words.end(), {field.option, value});
    }
  }
  words.insert(words.end(), {verb == "compress" ? "--report" : "--run-dir", folder});
  add_common(words, verb, folder, data);
  check_utf8(words);
  check_words(words);
  return command;
}

std::optional<std::vector<std::string>> resume_command(const std::vector<std::string>& words,
                                                       const std::string& folder) {
  const std::string& verb = words.front();
  if (verb != "train" && verb != "compress" && verb != "learn") return std::nullopt;
  std::vector<std::string> again = {verb, "--resume", folder};
  // What the run folder does not hold.
  for (size_t i = 1; i + 1 < words.size(); ++i)
    for (const char* kept : {"--threads", "--seconds", "--data", "--progress"})
      if (words[i] == kept) again.insert(again.end(), {words[i], words[i + 1]});
  return again;
}

std::string shell_line(const std::vector<std::string>& words) {
  std::string line = "espalier";
  for (const std::string& word : words) line += " " + shell_quoted(word);
  return line;
}

}  // namespace espalier::app
