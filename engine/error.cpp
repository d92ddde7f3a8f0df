#include "engine/error.h"

#include <algorithm>

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

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void check_one_of(const char* op, const char* operand, const std::string& got,
                  const std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), got) == names.end())
    argument_error(op, operand, "'" + got + "'", "one of " + joined(names), "");
}

void file_error(const std::string& path, const std::string& problem) {
  throw Error(ErrorKind::file, path + ": " + one_line(problem));
}

}  // namespace espalier
