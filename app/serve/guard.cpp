#include "app/serve/guard.h"

#include <arpa/inet.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "engine/error.h"

namespace espalier::app {
namespace {

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

bool is_address(std::string name) {
  unsigned char bytes[16];
  if (inet_pton(AF_INET, name.c_str(), bytes) == 1) return true;
  if (name.size() < 2 || name.front() != '[' || name.back() != ']') return false;
  return inet_pton(AF_INET6, name.substr(1, name.size() - 2).c_str(), bytes) == 1;
}

bool is_loopback(const std::string& name) {
  return name == "127.0.0.1" || name == "localhost" || name == "::1" || name == "[::1]";
}

// The number in Content-Length; -1 where it is none.
long long length_of(const std::string& text) {
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != text.npos)
    return -1;
  return std::stoll(text);
}

HttpAnswer refuse(int status, const char* reason, const std::string& sentence) {
  return error_answer(status, reason, sentence);
}

std::optional<HttpAnswer> refused_body(const HttpRequest& request) {
  if (request.headers.count("transfer-encoding"))
    return refuse(411, "request", "the body comes in chunks; send it whole, with a Content-Length");
  const bool posts = request.method == "POST";
  const size_t lengths = request.headers.count("content-length");
  if (lengths > 1) return refuse(400, "request", "Content-Length stands there more than once");
  if (lengths == 0)
    return posts ? std::optional(refuse(411, "request", "POST without a Content-Length"))
                 : std::nullopt;
  const std::string text = request.header("content-length");
  const long long length = length_of(text);
  if (length < 0) return refuse(400, "request", "Content-Length is no number of bytes");
  if (!posts && length > 0) return refuse(400, "request", "only POST has a body");
  if (length > static_cast<long long>(most_body_bytes))
    return refuse(413, "request",
                  "the body has " + text + " bytes; at most " + std::to_string(most_body_bytes) +
                      " are read: choose a model instead of sending one, or a smaller picture");
  return std::nullopt;
}

}  // namespace

bool Guard::names_us(const std::string& host_and_port) const {
  const size_t colon = host_and_port.rfind(':');
  const bool has_port =
      colon != host_and_port.npos && host_and_port.find(']', colon) == host_and_port.npos;
  if (has_port ? host_and_port.substr(colon + 1) != std::to_string(port) : port != 80) return false;
  const std::string name = lower(has_port ? host_and_port.substr(0, colon) : host_and_port);
  if (name == "127.0.0.1" || name == "localhost" || name == "[::1]") return true;
  return !is_loopback(host) && (name == lower(host) || is_address(name));
}

std::optional<HttpAnswer> Guard::refusal(const HttpRequest& request) const {
  if (!names_us(request.header("host")))
    return refuse(403, "host",
                  "this server is http://" + host + ":" + std::to_string(port) +
                      ", and the request asks for another; to reach it under another name start "
                      "`espalier serve` with --host NAME");
  if (request.headers.count("origin")) {
    const std::string origin = request.header("origin");
    constexpr std::string_view scheme = "http://";
    if (!origin.starts_with(scheme) || !names_us(origin.substr(scheme.size())))
      return refuse(403, "origin", "requests from the pages of other sites are not answered");
  }
  const std::string site = request.header("sec-fetch-site");
  const bool opens_page = request.method == "GET" && request.path == "/";
  if (request.headers.count("sec-fetch-site") && site != "same-origin" && site != "none" &&
      !opens_page)
    return refuse(403, "origin", "requests from the pages of other sites are not answered");
  if (request.method != "GET" && request.method != "HEAD" && request.method != "POST") {
    HttpAnswer answer = refuse(405, "method", "only GET, HEAD and POST are answered");
    answer.headers.emplace_back("Allow", "GET, HEAD, POST");
    return answer;
  }
  if (request.target.size() > 1024) return refuse(414, "request", "the address is too long");
  if (auto refused = refused_body(request)) return refused;
  if (request.method != "POST") return std::nullopt;
  if (request.headers.count("content-encoding"))
    return refuse(415, "request", "the body is compressed; send it as it is");
  const std::string type = lower(request.header("content-type"));
  if (type != "application/json" && !type.starts_with("application/json;"))
    return refuse(415, "request", "the body is not called application/json");
  if (request.header("x-espalier-token") != token)
    return refuse(403, "token",
                  "the token is missing or of an earlier start of the server; reload the page");
  return std::nullopt;
}

std::string new_token() {
  unsigned char bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
    throw Error(ErrorKind::device,
                std::string("serve: no random numbers from the system: ") + std::strerror(errno));
  std::string token;
  for (unsigned char byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    token += digits;
  }
  return token;
}

}  // namespace espalier::app
