// Gradient-based sample selection, greedy (Aljundi et al., 2019, 1903.08671, algorithm 2): memory
// keeps samples whose gradients point in many directions.
//
// The score of a sample is 1 + the largest cosine between its gradient and those of `compared`
// random records, from 0 to 2; 0.1 for the first, which find an empty memory, as in the authors'
// program. Once the memory is full, a sample with a score of 1 or more is let go. Another meets a
// record drawn in proportion to the records' scores, and takes its place with probability
// record / (record + sample).
//
// The gradient is that of the last layer alone. For cross-entropy it is the outer product of
// softmax(logits) - target with the features and a 1 for the bias, so that a cosine takes a forward
// pass and two short products. Gradients of the whole network would take a backward pass for each
// of the samples and records of every step, several times what the step's own pass takes.
//
// Choosing a record takes time that grows with the memory, for those samples alone that come so
// far.
#pragma once

#include "cl/memory/selection.h"
#include "engine/random.h"

namespace espalier {

class GradientBased : public CountingSelection {
 public:
  static constexpr int64_t compared = 10;

  using CountingSelection::CountingSelection;
  bool keeps_score() const override { return true; }
  // An argument error where the memory holds latents.
  void judge(Learner& learner, const StepBatch& batch, std::vector<Offer>& candidates) override;
  std::optional<int64_t> slot_for(const Offer& candidate, const ReplayMemory& memory) override;

 private:
  Generator generator(uint64_t purpose) const;
};

}  // namespace espalier
