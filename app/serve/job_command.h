// From what the page posted to the words of a command.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace espalier::app {

// What a model's id stands for, as far as a command needs it.
struct NamedModel {
  std::string argument;  // a path or a built-in name
  std::string title;
  bool fp32 = false;
};
using ModelLookup = std::function<std::optional<NamedModel>(const std::string& id)>;

struct JobCommand {
  std::vector<std::string> words;  // after "espalier"
  std::string title;
};

// `arguments`: a JSON object with fields of job_forms(). Throws an HttpError (422) that names the
// field which is unknown, of another type or out of range, and what the command itself refuses.
// The run goes into `folder`; `data` is --data of it.
JobCommand job_command(const std::string& verb, const std::string& arguments,
                       const std::string& folder, const std::string& data,
                       const ModelLookup& models);

// What goes on with a run of `words` that was broken off; none for verbs that have nothing to go on
// with.
std::optional<std::vector<std::string>> resume_command(const std::vector<std::string>& words,
                                                       const std::string& folder);

// The words as a shell takes them.
std::string shell_line(const std::vector<std::string>& words);

}  // namespace espalier::app
