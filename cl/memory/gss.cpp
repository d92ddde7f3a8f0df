#include "cl/memory/gss.h"

#include <algorithm>
#include <cmath>

#include "cl/memory/weighted_draw.h"
#include "cl/network_features.h"
#include "engine/ops/softmax.h"

namespace espalier {
namespace {

constexpr float score_in_empty_memory = 0.1f;

// The gradient of each of some samples in the last layer, in its two factors.
struct Gradients {
  Tensor errors;    // softmax(logits) - target, f32 [N, classes]
  Tensor features;  // f32 [N, F]
};

Gradients gradients_of(const Learner& learner, const Tensor& images,
                       const std::vector<int64_t>& labels) {
  const Tensor features = features_of(learner, images);
  const Tensor errors = softmax(logits_of_features(learner, features));
  for (int64_t i = 0; i < errors.size(0); ++i)
    errors.data<float>()[i * errors.size(1) + labels[static_cast<size_t>(i)]] -= 1;
  return {errors, features};
}

double dot(const Tensor& rows, int64_t a, int64_t b) {
  const int64_t length = rows.size(1);
  const float *x = rows.data<float>() + a * length, *y = rows.data<float>() + b * length;
  double sum = 0;
  for (int64_t i = 0; i < length; ++i) sum += double{x[i]} * double{y[i]};
  return sum;
}

double product(const Gradients& g, int64_t a, int64_t b) {
  return dot(g.errors, a, b) * (dot(g.features, a, b) + 1);
}

double cosine(const Gradients& g, int64_t a, int64_t b) {
  const double norms = std::sqrt(product(g, a, a) * product(g, b, b));
  return norms > 0 ? product(g, a, b) / norms : 0;
}

}  // namespace

Generator GradientBased::generator(uint64_t purpose) const {
  return Generator(derive_seed(seed_, purpose), static_cast<uint64_t>(seen_));
}

void GradientBased::judge(Learner& learner, const StepBatch& batch,
                          std::vector<Offer>& candidates) {
  const ReplayMemory& memory = *learner.memory;
  if (memory.size() == 0) {
    for (Offer& candidate : candidates) candidate.score = score_in_empty_memory;
    return;
  }
  Generator draws = generator(1);
  const std::vector<int64_t> slots =
      sample_without_replacement(memory.size(), std::min(compared, memory.size()), draws);
  std::vector<int64_t> labels;
  for (const Offer& candidate : candidates) labels.push_back(candidate.label);
  for (const int64_t slot : slots) labels.push_back(memory.label(slot));
  const Gradients gradients =
      gradients_of(learner, images_of(learner, batch.samples, slots), labels);
  learner.spend(static_cast<int64_t>(labels.size()), 1);
  const int64_t rows = static_cast<int64_t>(candidates.size());
  for (int64_t i = 0; i < rows; ++i) {
    double nearest = -1;
    for (int64_t j = rows; j < static_cast<int64_t>(labels.size()); ++j)
      nearest = std::max(nearest, cosine(gradients, i, j));
    candidates[static_cast<size_t>(i)].score = static_cast<float>(std::max(0.0, nearest + 1));
  }
}

std::optional<int64_t> GradientBased::slot_for(const Offer& candidate, const ReplayMemory& memory) {
  Generator draws = generator(2);
  ++seen_;
  if (memory.size() < memory.capacity()) return memory.size();
  if (candidate.score >= 1) return std::nullopt;
  std::vector<double> scores;
  for (int64_t slot = 0; slot < memory.size(); ++slot) scores.push_back(memory.score(slot));
  const int64_t slot = weighted_draw(scores, draws);
  const double kept = scores[static_cast<size_t>(slot)];
  if (draws.uniform() * (kept + candidate.score) < kept) return slot;
  return std::nullopt;
}

}  // namespace espalier
