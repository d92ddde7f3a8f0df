// Runs the suite on the rows that ESPALIER_ISA allows; a set that this CPU lacks is a usage error.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <exception>

#include "engine/dispatch.h"

int main(int argc, char** argv) {
  try {
    espalier::apply_isa_environment();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  doctest::Context context(argc, argv);
  return context.run();
}
