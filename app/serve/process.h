// Child processes that outlive the server that began them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace espalier::app {

// A process and when it began, in the kernel's clock: a number that is used again for another
// process is then not taken for it.
struct ProcessId {
  pid_t pid = 0;
  uint64_t began = 0;
};

// Starts this binary with `words` in a session of its own, so that neither Ctrl-C nor the end of
// the server reaches it. What it prints is appended to `log`. A device error where it does not
// start.
ProcessId start_espalier(const std::vector<std::string>& words, const std::string& log);

bool is_running(const ProcessId& process);

// A descriptor that becomes readable when the process ends; -1 where it has ended already.
int watch(const ProcessId& process);

// The exit code of a child of this process that has ended, 128 + the signal that killed it; none of
// another server's child.
std::optional<int> reap(const ProcessId& process);

// SIGINT, which saves and ends; twice, or with `at_once`, nothing is saved.
void interrupt(const ProcessId& process, bool at_once);

}  // namespace espalier::app
