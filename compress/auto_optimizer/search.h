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

// What to make of a front in that order: `count` of it, beside those of `made`, which come along.
// First the fastest of each width, since accuracy hangs on width far more than on form, and of
// forms of one width that are alike in accuracy only the fastest stays when all is measured; then
// what lies farthest from all others in the logarithm of time. An argument error for a count of 0.
std::vector<Candidate> worth_making(const CostTable& table, const std::vector<Candidate>& front,
                                    size_t count, const std::vector<Candidate>& made = {});

}  // namespace espalier
