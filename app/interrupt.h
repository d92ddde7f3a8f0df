// Ctrl-C as a request: the step under way is finished and saved, then the command ends.
#pragma once

namespace espalier::app {

// Turns SIGINT and SIGTERM into a flag. A second signal ends the process at once, as usual.
void watch_for_interrupt();
bool interrupt_requested() noexcept;

}  // namespace espalier::app
