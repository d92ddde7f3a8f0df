#include "app/serve/http.h"

#include "engine/io/json.h"

namespace espalier::app {

std::string HttpRequest::header(const std::string& lower_case_name) const {
  const auto [first, last] = headers.equal_range(lower_case_name);
  return first != last && std::next(first) == last ? first->second : "";
}

std::string HttpRequest::parameter(const std::string& name) const {
  const auto found = query.find(name);
  return found == query.end() ? "" : found->second;
}

HttpAnswer error_answer(int status, const std::string& reason, const std::string& sentence,
                        const std::string& argument) {
  Json json = {{"error", sentence}, {"reason", reason}};
  if (!argument.empty()) json["argument"] = argument;
  // What a client sent may be in the sentence, whatever bytes it is of.
  return {.status = status, .body = lossy_dump(json)};
}

}  // namespace espalier::app
