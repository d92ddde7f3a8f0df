#include "engine/error.h"

namespace espalier {
namespace {

// What a file says may hold anything; a message is one line of bounded length.
std::string one_line(std::string text) {
  constexpr size_t longest = 400;
  if (text.size() > longest) text = text.substr(0, longest) + "...";
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  return text;
}

}  // namespace

void argument_error(const char* op, const char* operand, const std::string& got,
                    const std::string& expected, const std::string& fix) {
  std::string message = std::string(op) + ": " + operand + " is " + got + "; expected " + expected;
  if (!fix.empty()) message += "; " + fix;
  throw Error(ErrorKind::argument, message);
}

void file_error(const std::string& path, const std::string& problem) {
  throw Error(ErrorKind::file, path + ": " + one_line(problem));
}

}  // namespace espalier
