// Drawing a number with given odds.
#pragma once

#include <vector>

#include "engine/random.h"

namespace espalier {

// An index of `weights`, which are at least 0 and at least one long, with probability in proportion
// to its weight; any, all alike, where every weight is 0. Time grows with their number.
int64_t weighted_draw(const std::vector<double>& weights, Generator& generator);

}  // namespace espalier
