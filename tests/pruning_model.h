// What tests of pruning share: models, and channels chosen at random.
#pragma once

#include <algorithm>
#include <cmath>
#include <set>

#include "compress/pruning/prune.h"
#include "tests/gradient_test.h"

namespace espalier::test {

inline std::unique_ptr<VisionTransformer> random_model(const ViTConfig& config, uint64_t seed) {
  Generator generator(seed);
  auto model = std::make_unique<VisionTransformer>(config, generator);
  model->eval();
  for (const auto& [name, parameter] : model->state_dict())
    parameter.copy_(normal(parameter.shape(), generator, 0.4));
  return model;
}

inline std::vector<PruningGroup> groups_of_kind(const Coupling& coupling, GroupKind kind) {
  std::vector<PruningGroup> found;
  for (const PruningGroup& group : coupling.groups)
    if (group.kind == kind) found.push_back(group);
  return found;
}

// A share of the channels of each group of these kinds, at random; at least one stays.
inline KeptChannels keep_at_random(const Coupling& coupling, const std::set<GroupKind>& kinds,
                                   double fraction, Generator& generator) {
  KeptChannels kept;
  for (const PruningGroup& group : coupling.groups) {
    std::vector<int64_t> channels = permutation(group.count, generator);
    const double left = static_cast<double>(group.count) * (1 - fraction);
    if (kinds.count(group.kind))
      channels.resize(static_cast<size_t>(std::max(1.0, std::nearbyint(left))));
    std::sort(channels.begin(), channels.end());
    kept.push_back(channels);
  }
  return kept;
}

// Sums in another order, each of at most `terms` terms, `sums` of them behind each other.
inline void check_close(const Tensor& found, const Tensor& expected, int64_t sums, int64_t terms) {
  const std::vector<double> a = found.to_vector(), b = expected.to_vector();
  REQUIRE(a.size() == b.size());
  double largest = 0, difference = 0;
  for (double value : b) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < a.size(); ++i) difference = std::max(difference, std::abs(a[i] - b[i]));
  const auto roundings = static_cast<double>(2 * sums * terms);
  CHECK(largest > 0);
  CHECK(difference <= roundings * std::numeric_limits<float>::epsilon() * largest);
}

inline const Tensor& named(const NamedTensors& tensors, const std::string& name) {
  for (const auto& entry : tensors)
    if (entry.first == name) return entry.second;
  FAIL("no " << name);
  return tensors.front().second;
}

}  // namespace espalier::test
