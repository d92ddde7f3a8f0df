#include "app/serve/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>

#include "engine/error.h"

namespace espalier::app {
namespace {

// Fields 3 (state) and 22 (start time) of /proc/PID/stat; the name in field 2 may hold anything.
bool read_stat(pid_t pid, char& state, uint64_t& began) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return false;
  const size_t name_end = line.rfind(')');
  if (name_end == line.npos) return false;
  std::istringstream rest(line.substr(name_end + 1));
  rest >> state;
  for (int field = 4; field <= 22; ++field) rest >> began;
  return !rest.fail();
}

class SpawnSettings {
 public:
  explicit SpawnSettings(const std::string& log) {
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    for (int signal : {SIGINT, SIGTERM, SIGPIPE}) sigaddset(&signals, signal);
    posix_spawnattr_setsigdefault(&attributes, &signals);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

}  // namespace

ProcessId start_espalier(const std::vector<std::string>& words, const std::string& log) {
  std::vector<std::string> all = {"espalier"};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> pointers;
  for (std::string& word : all) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const SpawnSettings settings(log);
  ProcessId process;
  const int error = posix_spawn(&process.pid, "/proc/self/exe", &settings.actions,
                                &settings.attributes, pointers.data(), environ);
  if (error)
    throw Error(ErrorKind::device,
                std::string("serve: cannot start a process for the job: ") + std::strerror(error));
  char state;
  read_stat(process.pid, state, process.began);
  return process;
}

bool is_running(const ProcessId& process) {
  char state;
  uint64_t began;
  return process.pid > 0 && read_stat(process.pid, state, began) && began == process.began &&
         state != 'Z';
}

int watch(const ProcessId& process) {
  const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0));
  if (descriptor < 0 || is_running(process)) return descriptor;
  close(descriptor);  // of another process with the same number, or of one that has just ended
  return -1;
}

std::optional<int> reap(const ProcessId& process) {
  int status = 0;
  if (waitpid(process.pid, &status, WNOHANG) != process.pid) return std::nullopt;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void interrupt(const ProcessId& process, bool at_once) {
  if (is_running(process)) kill(process.pid, at_once ? SIGKILL : SIGINT);
}

}  // namespace espalier::app
