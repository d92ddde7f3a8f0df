#include "nn/binomial.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/error.h"

namespace espalier {

double binomial_at_least(int64_t successes, int64_t trials, double chance) {
  if (trials < 0)
    argument_error("binomial_at_least", "trials", std::to_string(trials), "at least 0", "");
  if (!(chance >= 0 && chance <= 1))
    argument_error("binomial_at_least", "chance", std::to_string(chance), "0 to 1", "");
  if (successes <= 0) return 1;
  if (successes > trials || chance == 0) return 0;
  if (chance == 1) return 1;
  const auto log_factorial = [](int64_t k) { return std::lgamma(static_cast<double>(k) + 1); };
  const double log_yes = std::log(chance), log_no = std::log1p(-chance);
  double sum = 0;
  // From the smallest term, usually, to the largest.
  for (int64_t k = trials; k >= successes; --k)
    sum += std::exp(log_factorial(trials) - log_factorial(k) - log_factorial(trials - k) +
                    static_cast<double>(k) * log_yes + static_cast<double>(trials - k) * log_no);
  return std::min(1.0, sum);
}

}  // namespace espalier
