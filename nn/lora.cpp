#include "nn/lora.h"

#include <algorithm>

#include "engine/error.h"

namespace espalier {
namespace {

bool is_lora(const std::string& name) {
  return name.ends_with(".lora_a") || name.ends_with(".lora_b");
}

template <class Visit>
void for_each_linear(VisionTransformer& model, Visit&& visit) {
  for (const auto& [name, module] : model.named_modules())
    if (auto* layer = dynamic_cast<Linear*>(module)) visit(name, *layer);
}

}  // namespace

void add_lora(VisionTransformer& model, const LoraOptions& options, Generator& generator) {
  if (options.rank < 1)
    argument_error("add_lora", "rank", std::to_string(options.rank), "at least 1", "");
  const double scale = options.alpha / static_cast<double>(options.rank);
  for_each_linear(model, [&](const std::string& name, Linear& layer) {
    if (name.starts_with("blocks.")) layer.add_low_rank(options.rank, scale, generator);
  });
}

ParameterOptions lora_and_head(const std::string& name, const Tensor& parameter) {
  ParameterOptions options = decay_matrices(name, parameter);
  options.frozen = !is_lora(name) && !name.starts_with("head.");
  return options;
}

std::unique_ptr<VisionTransformer> merge_lora(VisionTransformer& model) {
  NamedTensors state = model.state_dict();
  std::erase_if(state, [](const auto& entry) { return is_lora(entry.first); });
  for_each_linear(model, [&](const std::string& name, const Linear& layer) {
    for (auto& [entry, tensor] : state)
      if (entry == name + ".weight") tensor = layer.merged_weight();
  });
  Generator unused;
  auto merged = std::make_unique<VisionTransformer>(model.config, unused);
  merged->load_state_dict(state);
  merged->eval();
  return merged;
}

}  // namespace espalier
