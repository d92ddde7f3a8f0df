// What a call that must be refused says.
#pragma once

#include <string>

#include "engine/error.h"
#include "tests/kernel_test.h"

namespace espalier::test {

// The message of the error, an argument error unless told, that `call` throws; "none" where it
// throws nothing.
template <class Call>
std::string refusal_of(Call call, ErrorKind kind = ErrorKind::argument) {
  try {
    call();
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  return "none";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace espalier::test
