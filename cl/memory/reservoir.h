// Reservoir sampling (Vitter, 1985, algorithm R): after n samples each of them is in memory with
// the same probability, capacity / n. One random number a sample, and no loop.
#pragma once

#include "cl/memory/selection.h"

namespace espalier {

class Reservoir : public CountingSelection {
 public:
  using CountingSelection::CountingSelection;
  std::optional<int64_t> slot_for(const Offer& candidate, const ReplayMemory& memory) override;
};

}  // namespace espalier
