// Class-balancing reservoir sampling (Chrysakis and Moens, 2020, "Online continual learning from
// imbalanced data", algorithm 1): classes get equal room however unequal their numbers in the
// stream, and within a class every sample has the same chance.
//
// A class is full from when it first is, or is among, the largest in a filled memory. A sample of
// one that is not takes the place of any sample of a largest class; one of a full class takes the
// place of any of its own, with probability stored / seen.
//
// A victim is drawn until it is of the wanted class. Full classes are within one sample of the
// largest, so that takes about as many draws, on average, as there are classes, however large the
// memory; and there is no index that a budget in bytes would have to pay for.
#pragma once

#include "cl/memory/selection.h"

namespace espalier {

class ClassBalanced : public CountingSelection {
 public:
  explicit ClassBalanced(const RetentionOptions& options);
  // An argument error for a label that is none of the stream's.
  std::optional<int64_t> slot_for(const Offer& candidate, const ReplayMemory& memory) override;
  NamedTensors state_dict() const override;
  void load_state_dict(const NamedTensors& state) override;

 private:
  bool loaded_ = false;  // what is stored has to be counted in the memory
  // s64 [classes]: samples offered, samples in memory, and 1 for a full class.
  const Tensor seen_of_, stored_, full_;
};

}  // namespace espalier
