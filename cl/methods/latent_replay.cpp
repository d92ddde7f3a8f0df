#include "cl/methods/latent_replay.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "cl/ledger.h"
#include "cl/network_features.h"
#include "cl/purposes.h"
#include "engine/error.h"

namespace espalier {
namespace {

// Offers the images of the present task to memory, once and in order.
void keep_all(Learner& learner) {
  const int64_t rows = learner.current().train.size(), size = learner.config.batch_size;
  const int64_t stood_at = learner.step;
  for (int64_t begin = 0; begin < rows; begin += size) {
    std::vector<int64_t> samples(static_cast<size_t>(std::min(rows - begin, size)));
    std::iota(samples.begin(), samples.end(), begin);
    learner.step = beyond_the_stream + begin;
    StepBatch batch = new_rows(learner, samples);
    // For a selection that judges by them.
    batch.logits = run_frozen(learner, batch.inputs, learner.entry, learner.network->stages());
    keep_new_rows(learner, batch);
  }
  learner.step = stood_at;
  learner.spend(rows, 1);
}

}  // namespace

LatentReplay::LatentReplay(const LearnConfig& config) {
  for (const char* looking : {"gss", "herding"})
    if (config.selection == looking)
      argument_error("make_method", "selection", "'" + config.selection + "'",
                     "'reservoir', 'class_balanced' or 'loss_aware' with method 'latent_replay'",
                     "the others look at images, which its memory does not keep");
}

void LatentReplay::attach(Learner& learner) {
  const int64_t stages = learner.network->stages(), stage = learner.config.latent_stage;
  if (stage < stages) return;
  argument_error("LearnConfig", "latent_stage", std::to_string(stage),
                 "1 to " + std::to_string(stages - 1),
                 "network '" + learner.config.network + "' has " + std::to_string(stages) +
                     " stages, and the last one has to learn");
}

void LatentReplay::shape(Learner& learner) {
  if (learner.task == 0 || learner.entry > 0) return;
  learner.entry = learner.config.latent_stage;
  freeze_below(learner, learner.entry);
  share_below_ = multiply_accumulates(*learner.network, 0, learner.entry) /
                 multiply_accumulates(*learner.network);
}

void LatentReplay::after_step(Learner& learner, const StepBatch& batch) {
  if (learner.entry == 0) return;
  Method::after_step(learner, batch);
  learner.passes_spent += share_below_ * static_cast<double>(batch.samples.size());
}

void LatentReplay::after_task(Learner& learner) {
  if (learner.task > 0) return;
  learner.entry = learner.config.latent_stage;
  keep_all(learner);
  learner.entry = 0;  // until the next task's shape()
}

}  // namespace espalier
