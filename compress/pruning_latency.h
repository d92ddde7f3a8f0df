// How the time that a model takes falls with what is pruned of it, measured.
#pragma once

#include <string>
#include <vector>

#include "compress/latency.h"
#include "compress/pruning/prune.h"

namespace espalier {

struct PruningLatencyOptions {
  std::vector<double> shares = {0.1, 0.3, 0.5, 0.7, 0.9};  // ascending, beside the whole model
  LatencyOptions latency{};
  PruneOptions pruning{};  // its fraction is set to each share
};

struct PrunedLatency {
  double share = 0;
  ViTConfig config{};
  bench::Summary seconds{};  // a batch
  double times_as_fast = 1;  // as the whole model, from rounds that both ran in
  // The seconds over those of the share before, of each round: what slows the machine for longer
  // than a round slows both. All 1 for the whole model.
  bench::Summary step{1, 1, 1, 1};
  // Whether the time falls from the share before by more than that fall's own spread, half the
  // distance between its quartiles.
  bool falls() const { return 1 - step.median > (step.high - step.low) / 2; }
};

// Prunes `model` to each share, and times the whole one and all these in turns, in several places
// of memory. Argument errors: shares that do not ascend or that the model is too narrow for, and
// those of latencies() and prune_model().
std::vector<PrunedLatency> pruning_latency(const VisionTransformer& model,
                                           const PruningLatencyOptions& options);

// A block of text: a heading, and a line a share.
std::string pruning_latency_table(const std::vector<PrunedLatency>& rows);

}  // namespace espalier
