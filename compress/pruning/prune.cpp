#include "compress/pruning/prune.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/view.h"
#include "nn/evaluate.h"

namespace espalier {
namespace {

constexpr const char* name_of_pruning = "prune";

void check_kept(const Coupling& coupling, const KeptChannels& kept) {
  if (kept.size() != coupling.groups.size())
    argument_error(name_of_pruning, "kept", std::to_string(kept.size()) + " groups",
                   "the " + std::to_string(coupling.groups.size()) + " of the coupling", "");
  for (size_t g = 0; g < kept.size(); ++g) {
    const std::vector<int64_t>& channels = kept[g];
    const PruningGroup& group = coupling.groups[g];
    const bool ascending = std::adjacent_find(channels.begin(), channels.end(),
                                              std::greater_equal<>()) == channels.end();
    if (channels.empty() || !ascending || channels.front() < 0 || channels.back() >= group.count)
      argument_error(name_of_pruning, "kept",
                     std::to_string(channels.size()) + " channels of " + name_of(group.kind),
                     "1 to " + std::to_string(group.count) + " ascending numbers below " +
                         std::to_string(group.count),
                     "");
  }
}

// How many channels stay of the group of that kind that shortens a parameter; `otherwise` where
// there is none, as for a single head.
class WidthOf {
 public:
  WidthOf(const Coupling& coupling, const Widths& widths) : coupling_(coupling), widths_(widths) {}

  int64_t operator()(GroupKind kind, const std::string& parameter, int64_t otherwise) const {
    for (size_t g = 0; g < widths_.size(); ++g)
      if (coupling_.groups[g].kind == kind)
        for (const PruningGroup::Member& member : coupling_.groups[g].members)
          if (member.parameter == parameter && member.dim == 0) return widths_[g];
    return otherwise;
  }

 private:
  const Coupling& coupling_;
  const Widths& widths_;
};

// Blocks all alike, and like those of a model that never lost a channel, need no list.
void tidy(ViTConfig& config) {
  const BlockShape first = config.blocks.front();
  bool uniform = first.heads * first.head_dim == config.width && first.scale_dim == first.head_dim;
  config.heads = config.mlp_hidden = 1;
  for (const BlockShape& shape : config.blocks) {
    uniform = uniform && shape == first;
    config.heads = std::max(config.heads, shape.heads);
    config.mlp_hidden = std::max(config.mlp_hidden, shape.mlp_hidden);
  }
  if (uniform) config.blocks.clear();
}

ChannelScores scores_of(const VisionTransformer& model, const Coupling& coupling,
                        const PruneOptions& options, const ImageDataset& samples) {
  const NamedTensors parameters = model.named_parameters();
  if (options.importance == "random") return random_scores(coupling, options.seed);
  if (options.importance == "l1") return channel_scores(coupling, l1_saliency(parameters));
  if (options.importance == "l2") return channel_scores(coupling, l2_saliency(parameters));
  if (options.importance != "taylor")
    argument_error("pruning", "importance", "'" + options.importance + "'",
                   "l1, l2, taylor or random", "");
  constexpr int64_t batch = 64;
  const int64_t batches = samples.images.defined() ? (samples.size() + batch - 1) / batch : 0;
  if (batches == 0)
    argument_error("pruning", "samples", "none", "some for gradients to come from", "");
  return channel_scores(coupling, taylor_saliency(parameters, batches, [&](int64_t b) {
                          const int64_t end = std::min(samples.size(), (b + 1) * batch);
                          const Tensor images = slice(samples.images, 0, b * batch, end);
                          const Tensor labels = slice(samples.labels, 0, b * batch, end);
                          return cross_entropy(model(normalized(images, model.config)), labels);
                        }));
}

CostFunction cost_of(const ViTConfig& config, const PruneOptions& options, const Graph& graph,
                     const Coupling& coupling) {
  const bool latency = options.target == "latency", flops = options.target == "flops";
  if (!latency && !flops && options.target != "parameters")
    argument_error("pruning", "target", "'" + options.target + "'", "parameters, flops or latency",
                   "");
  if (latency && !options.latency)
    argument_error("pruning", "latency", "none", "a function that gives it", "");
  return [&, latency, flops](const Widths& widths) {
    if (latency) return options.latency(pruned_config(config, coupling, widths));
    return (flops ? flops_at : parameters_at)(graph, coupling, widths);
  };
}

}  // namespace

void check_rewind(const char* function, const VisionTransformer& model,
                  const VisionTransformer& rewind) {
  if (to_json(model.config) != to_json(rewind.config))
    argument_error(function, "rewind", "a model of another configuration: " + rewind.config.name,
                   "one of the model's", "give an earlier checkpoint of its own training");
}

double whole_cost(const VisionTransformer& model, const PruneOptions& options) {
  if (options.target == "latency") return 1;
  const Graph graph = capture(model);
  const Coupling coupling = find_coupling(graph);
  return cost_of(model.config, options, graph, coupling)(full_widths(coupling));
}

IndexMap kept_indices(const NamedTensors& parameters, const Coupling& coupling,
                      const KeptChannels& kept) {
  check_kept(coupling, kept);
  // For each index of each dimension of each parameter, whether all its groups keep it.
  std::map<std::string, std::vector<std::vector<bool>>> stays;
  for (const auto& [name, tensor] : parameters)
    for (int64_t size : tensor.shape()) stays[name].emplace_back(static_cast<size_t>(size), true);
  for (size_t g = 0; g < kept.size(); ++g)
    for (const PruningGroup::Member& member : coupling.groups[g].members) {
      const auto found = stays.find(member.parameter);
      if (found == stays.end() || static_cast<int>(found->second.size()) <= member.dim)
        argument_error(name_of_pruning, "parameters", "none as '" + member.parameter + "'",
                       "those of the graph that the coupling was found in", "");
      std::vector<bool>& stay = found->second[static_cast<size_t>(member.dim)];
      for (size_t i = 0; i < stay.size(); ++i) {
        const int64_t channel = coupling.groups[g].channel_of(member, static_cast<int64_t>(i));
        if (!std::binary_search(kept[g].begin(), kept[g].end(), channel)) stay[i] = false;
      }
    }
  IndexMap map;
  for (const auto& [name, dims] : stays) {
    std::vector<KeptIndices> indices(dims.size());
    bool shrinks = false;
    for (size_t d = 0; d < dims.size(); ++d) {
      if (std::find(dims[d].begin(), dims[d].end(), false) == dims[d].end()) continue;
      shrinks = true;
      indices[d].emplace();
      for (size_t i = 0; i < dims[d].size(); ++i)
        if (dims[d][i]) indices[d]->push_back(static_cast<int64_t>(i));
    }
    if (shrinks) map.emplace(name, std::move(indices));
  }
  return map;
}

ViTConfig pruned_config(const ViTConfig& config, const Coupling& coupling, const Widths& widths) {
  const WidthOf width_of(coupling, widths);
  ViTConfig pruned = config;
  pruned.width = width_of(GroupKind::embedding, "norm.weight", config.width);
  for (size_t i = 0; i < config.conv_channels.size(); ++i)
    pruned.conv_channels[i] =
        width_of(GroupKind::conv_channel, "tokenizer." + std::to_string(i) + ".weight",
                 config.conv_channels[i]);
  pruned.blocks.clear();
  for (int64_t i = 0; i < config.depth; ++i) {
    const std::string block = "blocks." + std::to_string(i) + ".";
    const std::string qkv = block + "attention.qkv.weight";
    BlockShape shape = config.block(i);
    shape.heads = width_of(GroupKind::head, qkv, shape.heads);
    shape.head_dim = width_of(GroupKind::head_width, qkv, shape.head_dim);
    shape.mlp_hidden = width_of(GroupKind::hidden, block + "mlp.fc1.weight", shape.mlp_hidden);
    pruned.blocks.push_back(shape);
  }
  tidy(pruned);
  return pruned;
}

SmallerModel prune(const VisionTransformer& model, const Coupling& coupling,
                   const KeptChannels& kept) {
  const NamedTensors state = model.state_dict();
  SmallerModel pruned;
  pruned.kept = kept_indices(state, coupling, kept);
  Generator unused;
  pruned.model = std::make_unique<VisionTransformer>(
      pruned_config(model.config, coupling, widths_of(kept)), unused);
  NamedTensors left;
  for (const auto& [name, tensor] : state) {
    const auto found = pruned.kept.find(name);
    left.emplace_back(name, found == pruned.kept.end() ? tensor : kept_part(tensor, found->second));
  }
  pruned.model->load_state_dict(left);
  pruned.model->train(model.is_training());
  return pruned;
}

SmallerModel prune_model(const VisionTransformer& model, const PruneOptions& options,
                         const ImageDataset& samples) {
  const Graph graph = capture(model);
  const Coupling coupling = find_coupling(graph);
  SelectionOptions selection = options.selection;
  if (options.target == "latency") selection.whole = 1;
  const CostFunction cost = cost_of(model.config, options, graph, coupling);
  if (options.rewind) check_rewind(name_of_pruning, model, *options.rewind);
  return prune(
      options.rewind ? *options.rewind : model, coupling,
      select_channels(coupling, scores_of(model, coupling, options, samples), cost, selection));
}

}  // namespace espalier
