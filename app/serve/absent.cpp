// In place of serve.cpp where cpp-httplib was not found: the command has no verb `serve`.
#include "app/command.h"

namespace espalier::app {

void add_serve(CLI::App&, Body&) {}

}  // namespace espalier::app
