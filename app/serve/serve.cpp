// The verb `serve`: flags, start and end.
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <thread>

#include "app/command.h"
#include "app/interrupt.h"
#include "app/serve/http_server.h"
#include "app/serve/routes.h"
#include "engine/error.h"
#include "engine/io/file.h"
#include "engine/parallel.h"

namespace espalier::app {
namespace {

struct ServeFlags : CommonFlags {
  std::string host = "127.0.0.1", runs = "runs", models = "models";
  int port = 8770, keep = 30;
  bool opens = false;
};

// Held for as long as the process lives: two servers would both start what waits.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder) {
    make_folder(folder);
    const std::string path = folder + "/.serve.lock";
    file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file_ < 0) file_error(path, std::string("cannot open: ") + std::strerror(errno));
    if (flock(file_, LOCK_EX | LOCK_NB) != 0)
      file_error(folder, "another `espalier serve` works here; end it, or choose another --runs");
  }
  ~FolderLock() { close(file_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_;
};

void open_browser(const std::string& address) {
  std::string program = "xdg-open", argument = address;
  char* words[] = {program.data(), argument.data(), nullptr};
  pid_t process;
  if (posix_spawnp(&process, program.c_str(), nullptr, nullptr, words, environ) != 0)
    std::fprintf(stderr, "espalier: no xdg-open here; open %s in a browser\n", address.c_str());
  else
    std::thread([process] { waitpid(process, nullptr, 0); }).detach();
}

std::string address_of(const Guard& guard) {
  const bool v6 = guard.host.find(':') != guard.host.npos && guard.host.front() != '[';
  return "http://" + (v6 ? "[" + guard.host + "]" : guard.host) + ":" + std::to_string(guard.port) +
         "/";
}

void warn_of_others(const std::string& host) {
  if (host == "127.0.0.1" || host == "localhost" || host == "::1") return;
  std::fprintf(stderr,
               "espalier: listening on %s: whoever reaches this machine can start jobs and read "
               "the runs\n",
               host.c_str());
}

// Ctrl-C and SIGTERM are waited for on this thread, and come to no other.
sigset_t block_signals() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  return ends;
}

int run(const ServeFlags& flags) {
  const InterruptWatch watch;  // until they are blocked
  apply_machine_flags(flags);
  set_num_threads(1);  // jobs are processes of their own; a prediction takes one thread
  mallopt(M_ARENA_MAX, 2);
  const sigset_t ends = block_signals();
  const FolderLock lock(flags.runs);
  const std::string token = new_token();
  Routes routes({flags.runs, flags.models, flags.data}, token);
  HttpServer server({flags.host, flags.port, token},
                    [&](const HttpRequest& request) { return routes(request); });
  warn_of_others(flags.host);
  const std::string address = address_of(server.guard());
  std::printf("%s\n", address.c_str());
  std::fflush(stdout);
  if (flags.opens) open_browser(address);
  std::thread serving([&] { server.run(); });
  const timespec wait{.tv_sec = flags.keep, .tv_nsec = 0};
  // One that came before they were blocked was taken as a request, and will not come again.
  while (!interrupt_requested() && sigtimedwait(&ends, nullptr, &wait) < 0)
    routes.forget_unless_used(std::chrono::seconds(flags.keep));
  routes.end_streams();
  server.stop();
  serving.join();
  if (const std::string job = routes.running_job(); !job.empty() && !flags.quiet)
    std::fprintf(stderr,
                 "espalier: %s goes on by itself; the next `espalier serve --runs %s` shows it\n",
                 job.c_str(), shell_quoted(flags.runs).c_str());
  return done;
}

}  // namespace

void add_serve(CLI::App& app, Body& chosen) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* verb = app.add_subcommand(
      "serve", "Open a page in the browser to train, compress, try and compare models");
  verb->add_option("--port", flags->port, "Port to listen on; 0: any that is free")
      ->check(CLI::Range(0, 65'535))
      ->capture_default_str();
  verb->add_option("--keep", flags->keep,
                   "Seconds that models stay in memory while nobody asks for predictions")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  verb->add_option("--host", flags->host,
                   "Address to listen on. Whoever reaches another one than this machine's own can "
                   "start jobs and read the runs")
      ->capture_default_str();
  verb->add_option("--runs", flags->runs, "Folder of the runs that it shows and makes")
      ->capture_default_str();
  verb->add_option("--models", flags->models, "Folder of more models to offer")
      ->capture_default_str();
  verb->add_flag("--open", flags->opens, "Open the page in the default browser");
  add_data_flag(*verb, *flags);
  add_device_flags(*verb, *flags);
  verb->callback([flags, &chosen] { chosen = [flags] { return run(*flags); }; });
}

}  // namespace espalier::app
