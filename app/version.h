// What this binary was built from.
#pragma once

namespace espalier::app {

extern const char* const version;   // "0.1.0"
extern const char* const compiler;  // "gcc 12.2.0"
extern const char* const commit;    // "1a2b3c4", or "unknown"

}  // namespace espalier::app
