#include "app/version.h"

namespace espalier::app {

const char* const version = ESPALIER_VERSION;
const char* const compiler = ESPALIER_COMPILER;
const char* const commit = ESPALIER_COMMIT;

}  // namespace espalier::app
