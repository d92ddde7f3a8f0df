// Exact probabilities of counts.
#pragma once

#include <cstdint>

namespace espalier {

// The probability of `successes` or more in `trials` independent trials of which each succeeds with
// probability `chance`: the one-sided p-value of a binomial test. 0 where it is below the smallest
// double. Argument errors: trials below 0, chance outside 0 to 1.
double binomial_at_least(int64_t successes, int64_t trials, double chance);

}  // namespace espalier
