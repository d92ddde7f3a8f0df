// What every fuzz target does: hands the bytes to a reader as a file. A load or a file error is
// fine; any other exception, a sanitizer's report, a hang or a large allocation is a finding.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/error.h"

namespace espalier::fuzz {

template <class Read>
int feed(const uint8_t* data, size_t size, Read read) {
  const int fd = memfd_create("fuzz", 0);
  if (fd < 0 || write(fd, data, size) != static_cast<ssize_t>(size)) std::abort();
  try {
    read("/proc/self/fd/" + std::to_string(fd));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::file) std::abort();
  }
  close(fd);
  return 0;
}

}  // namespace espalier::fuzz

// Defines the target that reads a file by `expression`, in which `path` is its path.
#define ESPALIER_FUZZ(expression)                                                         \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {               \
    return espalier::fuzz::feed(data, size, [](const std::string& path) { expression; }); \
  }
