// The one exception type that Espalier throws.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace espalier {

// What went wrong, as far as a caller may want to act on it. The command maps these to exit codes.
enum class ErrorKind {
  argument,  // a shape, dtype, value or call order that the function does not take
  file,      // a file or folder that is absent, unreadable, damaged or foreign
  device,    // an instruction set or device that this machine lacks
  numeric,   // NaN or infinity where a finite number is needed
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

// Throws an argument error: "softmax: x is s8; expected f32 or f64; convert it with
// to(DType::f32)".
[[noreturn]] void argument_error(const char* op, const char* operand, const std::string& got,
                                 const std::string& expected, const std::string& fix);

// "a, b, c".
std::string joined(const std::vector<std::string>& names);
// Throws an argument error, that tells all names, unless `got` is one of them.
void check_one_of(const char* op, const char* operand, const std::string& got,
                  const std::vector<std::string>& names);

// Throws a file error: "PATH: what is wrong".
[[noreturn]] void file_error(const std::string& path, const std::string& problem);

}  // namespace espalier
