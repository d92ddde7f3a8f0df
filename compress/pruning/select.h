// Which channels go, for a target of cost.
#pragma once

#include <map>

#include "compress/pruning/cost.h"
#include "compress/pruning/importance.h"

namespace espalier {

// The channels of each group that stay, ascending.
using KeptChannels = std::vector<std::vector<int64_t>>;
Widths widths_of(const KeptChannels& kept);

enum class Ranking {
  global,    // the least of all groups first, by their relative scores
  per_layer  // the same share of each group, its least first
};

// Widths are kept at multiples of these: in between, kernels run no faster. A kind that is not
// named has steps of 1.
using WidthSteps = std::map<GroupKind, int64_t>;
// The columns that this machine's best product takes at once (a panel of packed weights) for what
// products make; whole registers of attention, half a panel, for head widths.
WidthSteps kernel_steps();

struct SelectionOptions {
  double fraction = 0.5;  // of the cost that is removed at least: 0 up to 1
  double whole = 0;       // the cost that it is of; 0: what the model itself costs
  Ranking ranking = Ranking::global;
  std::vector<GroupKind> kinds{std::begin(group_kinds), std::end(group_kinds)};
  WidthSteps steps{};
};

// Removes channels in the order of their scores, by bisection, until `cost` is at most 1 - fraction
// of the whole; then steps of width come back, the latest first, as long as it stays so. Where the
// steps of width are too coarse to get there, all are halved until they are not. At least
// one channel of each group stays, and all where the cost is small enough as it is. `cost` is asked
// about log2(channels) times, and once for each step that comes back and each group; if it is
// measured, the target is met up to what measuring it once more would change. Argument errors:
// options out of range, scores that are not the coupling's, and a target that removing all it may
// does not reach.
KeptChannels select_channels(const Coupling& coupling, const ChannelScores& scores,
                             const CostFunction& cost, const SelectionOptions& options);

// The sparsity of gradual pruning at `step` (Zhu and Gupta, 2017, 1710.01878, equation 1): from
// `initial` at `begin` to `final` at `end`, steeply at first; constant before and after.
double cubic_sparsity(int64_t step, int64_t begin, int64_t end, double initial, double final);

}  // namespace espalier
