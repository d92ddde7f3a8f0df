// Reservoir sampling (Vitter, 1985, algorithm R): after n samples each of them is in memory with
// the same probability, capacity / n. One random number a sample, and no loop.
#pragma once

#include "cl/memory/selection.h"

namespace espalier {

class Reservoir : public Selection {
 public:
  explicit Reservoir(const RetentionOptions& options) : seed_(options.seed) {}
  std::optional<int64_t> slot_for(const Offer& candidate, const ReplayMemory& memory) override;
  NamedTensors state_dict() const override;
  void load_state_dict(const NamedTensors& state) override;

 private:
  const uint64_t seed_;
  int64_t seen_ = 0;
};

}  // namespace espalier
