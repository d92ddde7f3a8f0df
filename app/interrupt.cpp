#include "app/interrupt.h"

#include <csignal>

namespace espalier::app {
namespace {

volatile std::sig_atomic_t requested = 0;

extern "C" void request(int signal) {
  requested = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void watch_for_interrupt() {
  std::signal(SIGINT, request);
  std::signal(SIGTERM, request);
}

bool interrupt_requested() noexcept { return requested != 0; }

}  // namespace espalier::app
