// What takes longest to parse where no verb is described, compiled once for all of it.
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "compress/convert.h"
#include "nn/trainer.h"
