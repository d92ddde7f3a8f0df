#include "app/interrupt.h"

namespace espalier::app {
namespace {

volatile std::sig_atomic_t requested = 0;

extern "C" void request(int) { requested = 1; }

}  // namespace

InterruptWatch::InterruptWatch() {
  struct sigaction once = {};
  once.sa_handler = request;
  once.sa_flags = SA_RESTART | SA_RESETHAND;
  sigaction(SIGINT, &once, &on_interrupt_);
  sigaction(SIGTERM, &once, &on_termination_);
}

InterruptWatch::~InterruptWatch() {
  sigaction(SIGINT, &on_interrupt_, nullptr);
  sigaction(SIGTERM, &on_termination_, nullptr);
}

bool interrupt_requested() noexcept { return requested != 0; }

}  // namespace espalier::app
