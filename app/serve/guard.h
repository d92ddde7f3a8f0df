// What is asked of a request before anything is done for it: that it comes from our own page or
// from a program of this machine's user, and that it is small.
#pragma once

#include <optional>
#include <string>

#include "app/serve/http.h"

namespace espalier::app {

constexpr size_t most_body_bytes = 1 << 20;

struct Guard {
  std::string host;  // listened on, as the user wrote it
  int port = 0;
  std::string token;  // that POST brings along

  // Whether a Host header names this server: 127.0.0.1, localhost or ::1, or where it listens
  // elsewhere the name that it was told, or an address in numbers. A page of another site whose
  // name was made to point here has that name in Host (DNS rebinding).
  bool names_us(const std::string& host_and_port) const;

  // An answer that refuses, decided by the head of the request alone.
  std::optional<HttpAnswer> refusal(const HttpRequest& request) const;
};

// 32 hexadecimal digits that nobody can guess.
std::string new_token();

}  // namespace espalier::app
