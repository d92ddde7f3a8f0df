// What every verb takes longest to parse, compiled once for all of them.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
