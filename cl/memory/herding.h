// Herding (Welling, 2009; Rebuffi et al., 2017, iCaRL, 1611.07725, algorithms 4 and 5). After each
// task every class seen so far gets an equal share of the memory. A class of the task gets those of
// its training images, and of its records, whose running mean of features stays nearest to the mean
// of them all; features are of length 1 each, as there. A class that the task lacks loses its last
// records.
//
// The order of choice is that of a class's slots. While it chooses, the memory is there twice.
// During a task nothing is let in: the memory is that of the tasks before, and in the first there
// is none.
#pragma once

#include "cl/memory/selection.h"

namespace espalier {

// The first `count` rows, or all where there are fewer, of features f32 [N, F] in the order of
// herding: each is the one that takes the mean of those so far, with it, nearest to the mean of all
// rows; the first of several.
std::vector<int64_t> herding_order(const Tensor& features, int64_t count);

class Herding : public Selection {
 public:
  explicit Herding(const RetentionOptions& options) : classes_(options.classes) {}
  std::optional<int64_t> slot_for(const Offer&, const ReplayMemory&) override {
    return std::nullopt;
  }
  // An argument error where the memory holds latents.
  void after_task(Learner& learner) override;
  NamedTensors state_dict() const override { return {}; }
  void load_state_dict(const NamedTensors& state) override;

 private:
  const int64_t classes_;
};

}  // namespace espalier
