#include "compress/pruning/sparse.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "engine/error.h"
#include "engine/ops/binary.h"
#include "nn/named_tensors.h"

namespace espalier {
namespace {

constexpr const char* name_of_zeros = "sparsify";

// The weights of a model's linear layers, and of its convolutions too where these are wanted.
NamedTensors weights_of(const VisionTransformer& model, bool convolutions = true) {
  const Graph graph = capture(*copy_of(model));
  const NamedTensors parameters = model.state_dict();
  NamedTensors weights;
  for (const Graph::Node& node : graph.nodes) {
    if (!is_op(node, "linear") && !(convolutions && is_op(node, "conv2d"))) continue;
    const std::string& name = graph.values[static_cast<size_t>(node.inputs[1])].name;
    const Tensor* weight = find_named(parameters, name);
    if (weight && !find_named(weights, name)) weights.emplace_back(name, *weight);
  }
  return weights;
}

// A weight's size, and where it stands: of equal ones the first goes first.
struct Candidate {
  float size;
  size_t weight;
  int64_t at;
  friend bool operator<(const Candidate& a, const Candidate& b) {
    return std::tie(a.size, a.weight, a.at) < std::tie(b.size, b.weight, b.at);
  }
};

std::vector<Candidate> candidates_of(const NamedTensors& weights, size_t w) {
  const Tensor& weight = weights[w].second;
  std::vector<Candidate> all;
  for (int64_t i = 0; i < weight.numel(); ++i)
    all.push_back({std::abs(weight.data<float>()[i]), w, i});
  return all;
}

void set_zero(const NamedTensors& weights, std::vector<Candidate> of, size_t count) {
  if (count == 0) return;
  std::nth_element(of.begin(), of.begin() + static_cast<std::ptrdiff_t>(count - 1), of.end());
  for (size_t i = 0; i < count; ++i) weights[of[i].weight].second.data<float>()[of[i].at] = 0;
}

// The share of `fraction` that the smallest weights of each list make.
void zero_smallest(const NamedTensors& weights, const SparseOptions& options) {
  std::vector<Candidate> together;
  const auto share = [&](const std::vector<Candidate>& of) {
    return static_cast<size_t>(std::ceil(options.fraction * static_cast<double>(of.size())));
  };
  for (size_t w = 0; w < weights.size(); ++w) {
    const std::vector<Candidate> of = candidates_of(weights, w);
    if (options.ranking == Ranking::per_layer)
      set_zero(weights, of, share(of));
    else
      together.insert(together.end(), of.begin(), of.end());
  }
  set_zero(weights, together, share(together));
}

void zero_two_of_four(const NamedTensors& weights) {
  for (size_t w = 0; w < weights.size(); ++w) {
    if (weights[w].second.size(-1) % 4 != 0) continue;
    const std::vector<Candidate> all = candidates_of(weights, w);
    for (size_t i = 0; i < all.size(); i += 4)
      set_zero(weights, {all.data() + i, all.data() + i + 4}, 2);
  }
}

}  // namespace

std::unique_ptr<VisionTransformer> sparsify(const VisionTransformer& model,
                                            const SparseOptions& options) {
  if (!(options.fraction >= 0 && options.fraction < 1))
    argument_error(name_of_zeros, "fraction", std::to_string(options.fraction), "0 up to 1", "");
  auto sparse = copy_of(model);
  const bool pattern = options.pattern == SparsePattern::two_of_four;
  const NamedTensors weights = weights_of(*sparse, !pattern);
  pattern ? zero_two_of_four(weights) : zero_smallest(weights, options);
  if (!options.rewind) return sparse;
  check_rewind(name_of_zeros, model, *options.rewind);
  auto rewound = copy_of(*options.rewind);
  const NamedTensors to = weights_of(*rewound, !pattern);
  for (size_t w = 0; w < to.size(); ++w)
    for (int64_t i = 0; i < to[w].second.numel(); ++i)
      if (weights[w].second.data<float>()[i] == 0) to[w].second.data<float>()[i] = 0;
  return rewound;
}

WeightCount count_weights(const VisionTransformer& model) {
  WeightCount count;
  for (const auto& [name, weight] : weights_of(model)) {
    count.weights += weight.numel();
    count.zeros += std::count(weight.data<float>(), weight.data<float>() + weight.numel(), 0.0f);
  }
  return count;
}

SparseModel::SparseModel(std::unique_ptr<VisionTransformer> model) : Trainable(std::move(model)) {
  const VisionTransformer& of = std::as_const(*this).model();
  const NamedTensors parameters = named_parameters();
  for (const auto& [name, weight] : weights_of(of)) {
    Zeros zeros{*find_named(parameters, name), {}, {}};
    for (int64_t i = 0; i < weight.numel(); ++i)
      if (weight.data<float>()[i] == 0) zeros.at.push_back(i);
    if (!zeros.at.empty()) zeros_.push_back(std::move(zeros));
  }
}

// On a GPU all weights are multiplied, by 1 or 0.
void SparseModel::Zeros::set_on_gpu() {
  if (!mask.defined()) {
    const Tensor here = Tensor::full(weight.shape(), 1);
    for (const int64_t i : at) here.data<float>()[i] = 0;
    mask = here.to(weight.device());
  }
  weight.copy_(mul(weight.detach(), mask));
}

void SparseModel::prepare() {
  for (Zeros& zeros : zeros_) {
    if (zeros.weight.device().on_gpu()) {
      zeros.set_on_gpu();
      continue;
    }
    for (const int64_t i : zeros.at) zeros.weight.data<float>()[i] = 0;
  }
}

Shrinking gradual_zeros(const SparseOptions& options, const GradualOptions& schedule) {
  const auto form = [](std::unique_ptr<VisionTransformer> model) {
    return std::make_unique<SparseModel>(std::move(model));
  };
  return {.times = schedule.times,
          .share = schedule.share,
          .next =
              [options, schedule](const VisionTransformer& model, int64_t i) {
                SparseOptions now = options;
                now.fraction = cubic_sparsity(i, 0, schedule.times, 0, options.fraction);
                return SmallerModel{sparsify(model, now), {}};
              },
          .form = form};
}

}  // namespace espalier
