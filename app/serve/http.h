// Requests and answers, as the routes see them: no socket, no library.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace espalier::app {

struct HttpRequest {
  std::string method, path;                         // the path decoded
  std::string target;                               // as it was sent: path and query
  std::multimap<std::string, std::string> headers;  // names in lower case
  std::map<std::string, std::string> query;
  std::string body;

  // The only one of that name; empty where there is none or several.
  std::string header(const std::string& lower_case_name) const;
  std::string parameter(const std::string& name) const;
};

struct HttpAnswer {
  int status = 200;
  std::string type = "application/json", body{};
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string file{};  // a path whose bytes are the body
  // Server-sent events: waits for the next piece of the body; false where there will be none.
  std::function<bool(std::string& piece)> stream{};
};

// {"error": sentence, "reason": word}, and "argument" where one is at fault.
HttpAnswer error_answer(int status, const std::string& reason, const std::string& sentence,
                        const std::string& argument = "");

using HttpHandler = std::function<HttpAnswer(const HttpRequest&)>;

// What a handler throws to answer with error_answer().
struct HttpError {
  int status;
  std::string reason, sentence, argument = "";
};

}  // namespace espalier::app
