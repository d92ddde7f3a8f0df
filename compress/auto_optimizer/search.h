// The search over precision and width: candidates that no other beats in both expected time and
// expected distance from the original's logits.
#pragma once

#include "compress/auto_optimizer/cost_table.h"

namespace espalier {

struct SearchOptions {
  int64_t evaluations = 4000;
  uint64_t seed = 1;
};

// An archive of non-dominated candidates that its own mutations and crossings improve (Knowles and
// Corne, 2000, PAES), begun with every level in each form throughout. Ascending in time.
std::vector<Candidate> pareto_search(const CostTable& table, const SearchOptions& options = {});

// At most `count` (2 or more) of a front in that order, both ends among them, spread evenly over
// the logarithm of time.
std::vector<Candidate> spread_over_time(const CostTable& table, const std::vector<Candidate>& front,
                                        size_t count);

}  // namespace espalier
