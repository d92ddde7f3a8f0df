// The `espalier` command: thin over the library.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <new>

#include "app/command.h"
#include "app/progress_file.h"
#include "app/version.h"
#include "engine/error.h"

namespace espalier::app {
namespace {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::argument:
      return usage;
    case ErrorKind::file:
      return bad_file;
    case ErrorKind::device:
      return device_absent;
    case ErrorKind::numeric:
      return failure;
  }
  return failure;
}

int report(const char* what, int code) {
  std::fprintf(stderr, "espalier: %s\n", what);
  end_progress(code, what);
  return code;
}

int run(int argc, char** argv) {
  CLI::App command{"Train a small Vision Transformer, and know what it costs on this machine.",
                   "espalier"};
  command.set_version_flag("--version", version);
  command.require_subcommand(1);
  Body body;
  add_train(command, body);
  add_eval(command, body);
  add_predict(command, body);
  add_inspect(command, body);
  add_compress(command, body);
  add_learn(command, body);
  add_profile(command, body);
  add_bench(command, body);
  add_export(command, body);
  add_serve(command, body);
  try {
    command.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return command.exit(help);
  } catch (const CLI::ParseError& error) {
    return report((std::string(error.what()) + "; see espalier --help").c_str(), usage);
  }
  const int code = body();
  end_progress(code, "");
  return code;
}

}  // namespace
}  // namespace espalier::app

int main(int argc, char** argv) {
  using namespace espalier;
  try {
    return app::run(argc, argv);
  } catch (const Error& error) {
    return app::report(error.what(), app::exit_code(error.kind()));
  } catch (const std::bad_alloc&) {
    return app::report("out of memory", app::failure);
  } catch (const std::exception& error) {
    return app::report(error.what(), app::failure);
  }
}
