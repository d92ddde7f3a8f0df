// Observers by name, for commands and configurations.
#pragma once

#include <string>
#include <vector>

#include "compress/calibrate.h"

namespace espalier {

// "min_max", "moving_average", "percentile", "mse", "entropy".
std::vector<std::string> observer_names();
// Makes observers of that name, with their default settings; an argument error with the names for
// another.
ObserverFactory observer_factory(const std::string& name);

}  // namespace espalier
