// Loss-aware reservoir sampling (Buzzega et al., 2020, 2010.05595, section 3): as many samples get
// in as in reservoir sampling, but the one that goes is likely to be one of small loss, which the
// network knows well: in proportion to the largest loss in memory less its own.
//
// The score of a record is its cross-entropy over all classes in the step that last saw it. The
// step's forward pass has it already. Choosing a victim takes time that grows with the memory, for
// the capacity / n of the samples that get in alone.
#pragma once

#include "cl/memory/selection.h"

namespace espalier {

class LossAware : public CountingSelection {
 public:
  using CountingSelection::CountingSelection;
  bool keeps_score() const override { return true; }
  void renew(ReplayMemory& memory, const StepBatch& batch) override;
  void judge(Learner& learner, const StepBatch& batch, std::vector<Offer>& candidates) override;
  std::optional<int64_t> slot_for(const Offer& candidate, const ReplayMemory& memory) override;
};

}  // namespace espalier
