// Latent replay (Pellegrini et al., 2019, 1912.01100, section III): what memory keeps of a sample
// is what the network makes of it at some stage, and there replayed rows join the new ones,
//
//   CE(upper(lower(x))) over new rows x,  CE(upper(z)) over rows z of the memory
//
// with all rows counting alike. The first task trains the whole network; then the stages below
// `latent_stage` are frozen, so that a latent that was kept does not age (the paper slows them
// down, or stops them). New rows pass through them once, without dropout, and what they give is
// both what is learned from and, in the first epoch of a task, what is offered to memory; a
// replayed row costs the upper stages alone.
//
// The first task's latents would age while its stages learn: its images are offered once, too, when
// it has ended. Latents are kept as augmentation made them and are not augmented again.
//
// Of the configuration, `latent_stage` and `latent_coding`. Argument errors: a stage that the
// network does not have, or a selection that looks at images of the memory.
#pragma once

#include "cl/methods/method.h"

namespace espalier {

class LatentReplay : public Method {
 public:
  explicit LatentReplay(const LearnConfig& config);
  bool uses_memory() const override { return true; }
  bool keeps_latents() const override { return true; }
  int draws() const override { return 1; }
  void attach(Learner& learner) override;
  void shape(Learner& learner) override;
  void after_step(Learner& learner, const StepBatch& batch) override;
  void after_task(Learner& learner) override;
  double passes_a_row() const override { return 3 * (1 - share_below_); }
  bool survives_pruning() const override { return false; }

 private:
  double share_below_ = 0;  // of a forward pass: the stages that are frozen
};

}  // namespace espalier
