#include "compress/pruning/importance.h"

#include <cmath>

#include "engine/autograd.h"
#include "engine/op.h"
#include "engine/ops/view.h"
#include "engine/random.h"
#include "nn/named_tensors.h"

namespace espalier {
namespace {

constexpr const char* name_of_scores = "channel_scores";

// f(w) of each element.
template <class F>
NamedTensors of_elements(const NamedTensors& parameters, F f) {
  NamedTensors out;
  for (const auto& [name, parameter] : parameters) {
    check_dtype("saliency", name.c_str(), parameter, DType::f32);
    const Tensor from = contiguous(parameter.detach()), to = Tensor::empty(from.shape());
    for (int64_t i = 0; i < from.numel(); ++i) to.data<float>()[i] = f(from.data<float>()[i]);
    out.emplace_back(name, to);
  }
  return out;
}

const Tensor& saliency_of(const PruningGroup::Member& member, const NamedTensors& saliency) {
  const char* name = member.parameter.c_str();
  const Tensor* found = find_named(saliency, member.parameter);
  if (!found)
    argument_error(name_of_scores, "saliency", "none of '" + member.parameter + "'", "one", "");
  check_dtype(name_of_scores, name, *found, DType::f32);
  check_min_rank(name_of_scores, name, *found, member.dim + 1);
  return *found;
}

void add_scores(const PruningGroup& group, const PruningGroup::Member& member, const Tensor& from,
                std::vector<double>& scores) {
  const Tensor saliency = contiguous(from);
  if (saliency.size(member.dim) % (member.stride * group.count) != 0)
    argument_error(name_of_scores, member.parameter.c_str(), saliency.describe(),
                   "a multiple of " + std::to_string(member.stride * group.count) +
                       " in dimension " + std::to_string(member.dim),
                   "give saliencies of the model that was captured");
  int64_t inner = 1;
  for (int dim = member.dim + 1; dim < saliency.rank(); ++dim) inner *= saliency.size(dim);
  for (int64_t i = 0; i < saliency.numel(); ++i) {
    const int64_t channel = group.channel_of(member, i / inner % saliency.size(member.dim));
    scores[static_cast<size_t>(channel)] += static_cast<double>(saliency.data<float>()[i]);
  }
}

void divide_by_mean(std::vector<double>& scores) {
  double sum = 0;
  for (double score : scores) sum += score;
  if (!(sum > 0)) return;
  for (double& score : scores) score *= static_cast<double>(scores.size()) / sum;
}

}  // namespace

ChannelScores channel_scores(const Coupling& coupling, const NamedTensors& saliency) {
  ChannelScores all;
  for (const PruningGroup& group : coupling.groups) {
    std::vector<double>& scores = all.emplace_back(static_cast<size_t>(group.count));
    for (const PruningGroup::Member& member : group.members)
      add_scores(group, member, saliency_of(member, saliency), scores);
    divide_by_mean(scores);
  }
  return all;
}

NamedTensors l1_saliency(const NamedTensors& parameters) {
  return of_elements(parameters, [](float w) { return std::abs(w); });
}

NamedTensors l2_saliency(const NamedTensors& parameters) {
  return of_elements(parameters, [](float w) { return w * w; });
}

NamedTensors taylor_saliency(const NamedTensors& parameters, int64_t batches,
                             FunctionRef<Tensor(int64_t batch)> loss) {
  NamedTensors sums = of_elements(parameters, [](float) { return 0.0f; });
  const auto clear = [&] {
    for (const auto& [name, parameter] : parameters)
      if (parameter.grad().defined()) parameter.grad().fill_(0);
  };
  for (int64_t batch = 0; batch < batches; ++batch) {
    clear();
    backward(loss(batch));
    for (size_t p = 0; p < parameters.size(); ++p) {
      const Tensor& w = parameters[p].second;
      if (!w.grad().defined()) continue;
      const Tensor values = contiguous(w.detach()), gradient = contiguous(w.grad().detach());
      float* sum = sums[p].second.data<float>();
      for (int64_t i = 0; i < w.numel(); ++i) {
        const float change = gradient.data<float>()[i] * values.data<float>()[i];
        sum[i] += change * change;
      }
    }
  }
  clear();
  return sums;
}

ChannelScores random_scores(const Coupling& coupling, uint64_t seed) {
  Generator generator(seed);
  ChannelScores all;
  for (const PruningGroup& group : coupling.groups)
    for (int64_t i = (all.emplace_back(), 0); i < group.count; ++i)
      all.back().push_back(generator.uniform());
  return all;
}

}  // namespace espalier
