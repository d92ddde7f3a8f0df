#include "cl/memory/loss_aware.h"

#include <algorithm>
#include <cmath>

#include "cl/learner.h"
#include "cl/memory/weighted_draw.h"

namespace espalier {
namespace {

float loss_of_row(const StepBatch& batch, int64_t row) {
  const int64_t classes = batch.logits.size(1);
  const float* logits = batch.logits.data<float>() + row * classes;
  const double highest = *std::max_element(logits, logits + classes);
  double sum = 0;
  for (int64_t c = 0; c < classes; ++c) sum += std::exp(logits[c] - highest);
  return static_cast<float>(std::log(sum) + highest - logits[batch.labels.data<int64_t>()[row]]);
}

}  // namespace

void LossAware::renew(ReplayMemory& memory, const StepBatch& batch) {
  int64_t row = batch.groups.front().end;
  for (const int64_t slot : batch.slots) memory.set_score(slot, loss_of_row(batch, row++));
}

void LossAware::judge(Learner&, const StepBatch& batch, std::vector<Offer>& candidates) {
  int64_t row = batch.groups.front().begin;
  for (Offer& candidate : candidates) candidate.score = loss_of_row(batch, row++);
}

std::optional<int64_t> LossAware::slot_for(const Offer&, const ReplayMemory& memory) {
  const int64_t before = seen_++;
  if (memory.size() < memory.capacity()) return memory.size();
  Generator generator(seed_, static_cast<uint64_t>(before));
  if (generator.below(before + 1) >= memory.capacity()) return std::nullopt;
  std::vector<double> odds;
  for (int64_t slot = 0; slot < memory.size(); ++slot) odds.push_back(memory.score(slot));
  const double largest = *std::max_element(odds.begin(), odds.end());
  for (double& loss : odds) loss = largest - loss;
  return weighted_draw(odds, generator);
}

}  // namespace espalier
