// Ctrl-C as a request: the step under way is finished and saved, then the command ends.
#pragma once

#include <csignal>

namespace espalier::app {

// While one lives, SIGINT and SIGTERM are a request, for whoever does work in steps and asks for it
// between them. A second signal ends the process at once, as every signal does where none lives.
class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

 private:
  struct sigaction on_interrupt_, on_termination_;  // as they were before
};

// Whether a request has come.
bool interrupt_requested() noexcept;

}  // namespace espalier::app
