#include "engine/error.h"

namespace espalier {

void argument_error(const char* op, const char* operand, const std::string& got,
                    const std::string& expected, const std::string& fix) {
  std::string message = std::string(op) + ": " + operand + " is " + got + "; expected " + expected;
  if (!fix.empty()) message += "; " + fix;
  throw Error(ErrorKind::argument, message);
}

void file_error(const std::string& path, const std::string& problem) {
  throw Error(ErrorKind::file, path + ": " + problem);
}

}  // namespace espalier
