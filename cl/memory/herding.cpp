#include "cl/memory/herding.h"

#include <algorithm>
#include <cmath>

#include "cl/network_features.h"
#include "engine/error.h"
#include "engine/ops/matmul.h"
#include "nn/contrastive.h"
#include "nn/named_tensors.h"

namespace espalier {
namespace {

// What may be kept of one class: records of the memory, then training images of the task.
struct Pool {
  std::vector<int64_t> slots{}, samples{};
  bool empty() const { return slots.empty() && samples.empty(); }
};

std::vector<Pool> pools_of(const Learner& learner, int64_t classes) {
  std::vector<Pool> pools(static_cast<size_t>(classes));
  const ReplayMemory& memory = *learner.memory;
  for (int64_t slot = 0; slot < memory.size(); ++slot)
    pools[static_cast<size_t>(memory.label(slot))].slots.push_back(slot);
  const ImageDataset& data = learner.current().train;
  for (int64_t i = 0; i < data.size(); ++i)
    pools[static_cast<size_t>(data.labels.data<int64_t>()[i])].samples.push_back(i);
  return pools;
}

std::vector<double> squares_of_rows(const Tensor& features) {
  const int64_t length = features.size(1);
  std::vector<double> squares(static_cast<size_t>(features.size(0)));
  for (int64_t i = 0; i < features.numel(); ++i) {
    const double value = features.data<float>()[i];
    squares[static_cast<size_t>(i / length)] += value * value;
  }
  return squares;
}

std::vector<double> mean_of_rows(const Tensor& features) {
  const int64_t length = features.size(1);
  std::vector<double> mean(static_cast<size_t>(length));
  for (int64_t i = 0; i < features.numel(); ++i)
    mean[static_cast<size_t>(i % length)] += double{features.data<float>()[i]};
  for (double& value : mean) value /= static_cast<double>(features.size(0));
  return mean;
}

// Appends the `count` records of a class of the present task that herding chooses.
void keep_chosen(const Learner& learner, const Pool& pool, int64_t label, int64_t count,
                 ReplayMemory& kept) {
  const Tensor features = features_of(learner, images_of(learner, pool.samples, pool.slots));
  const int64_t classes = kept.layout().logits;
  const Tensor logits = classes ? logits_of_features(learner, features) : Tensor();
  const uint8_t* pixels = learner.current().train.images.data<uint8_t>();
  const int64_t values = kept.layout().item.numel(),
                samples = static_cast<int64_t>(pool.samples.size());
  for (const int64_t i : herding_order(unit_rows(features), count)) {
    if (i >= samples)
      kept.append(*learner.memory, pool.slots[static_cast<size_t>(i - samples)]);
    else
      kept.write(kept.size(),
                 {.pixels = pixels + pool.samples[static_cast<size_t>(i)] * values,
                  .label = label,
                  .task = learner.task,
                  .logits = classes ? logits.data<float>() + i * classes : nullptr,
                  .text = learner.current().text(pool.samples[static_cast<size_t>(i)])});
  }
}

}  // namespace

std::vector<int64_t> herding_order(const Tensor& features, int64_t count) {
  const int64_t rows = features.size(0), length = features.size(1);
  const std::vector<double> mean = mean_of_rows(features), squares = squares_of_rows(features);
  std::vector<double> sum(mean.size());
  std::vector<bool> taken(squares.size());
  std::vector<int64_t> order;
  const Tensor wanted = Tensor::empty({length, 1});
  // k^2 |mean - (sum + x) / k|^2 is, but for what all x share, |x|^2 - 2 x (k mean - sum).
  for (int64_t k = 1; k <= std::min(count, rows); ++k) {
    for (size_t j = 0; j < sum.size(); ++j)
      wanted.data<float>()[j] = static_cast<float>(static_cast<double>(k) * mean[j] - sum[j]);
    const Tensor products = matmul(features, wanted);
    size_t best = squares.size();
    double least = 0;
    for (size_t i = 0; i < squares.size(); ++i) {
      const double distance = squares[i] - 2 * double{products.data<float>()[i]};
      if (taken[i] || (best < squares.size() && !(distance < least))) continue;
      best = i;
      least = distance;
    }
    taken[best] = true;
    order.push_back(static_cast<int64_t>(best));
    const float* chosen = features.data<float>() + order.back() * length;
    for (size_t j = 0; j < sum.size(); ++j) sum[j] += double{chosen[j]};
  }
  return order;
}

void Herding::after_task(Learner& learner) {
  const std::vector<Pool> pools = pools_of(learner, classes_);
  const int64_t seen =
      classes_ - std::count_if(pools.begin(), pools.end(), [](const Pool& p) { return p.empty(); });
  ReplayMemory kept(learner.memory->layout(), learner.memory->capacity());
  int64_t place = 0;  // among the classes seen: the first ones share what is left over
  for (int64_t label = 0; label < classes_; ++label) {
    const Pool& pool = pools[static_cast<size_t>(label)];
    if (pool.empty()) continue;
    const int64_t quota = kept.capacity() / seen + (place++ < kept.capacity() % seen);
    if (pool.samples.empty())
      for (int64_t i = 0; i < std::min(quota, static_cast<int64_t>(pool.slots.size())); ++i)
        kept.append(*learner.memory, pool.slots[static_cast<size_t>(i)]);
    else
      keep_chosen(learner, pool, label, quota, kept);
    if (!pool.samples.empty())
      learner.spend(static_cast<int64_t>(pool.samples.size() + pool.slots.size()), 1);
  }
  learner.memory.emplace(std::move(kept));
}

void Herding::load_state_dict(const NamedTensors& state) { copy_named("Herding", {}, state); }

}  // namespace espalier
