#include "nn/model_file.h"

#include "engine/error.h"
#include "engine/io/safetensors.h"

namespace espalier {
namespace {

// Before memory for a model is taken: the file must hold the numbers that its configuration needs.
void check_size(const NamedTensors& weights, const ViTConfig& config, const std::string& path) {
  int64_t held = 0;
  for (const auto& [name, tensor] : weights) held += tensor.numel();
  if (held != config.parameter_count())
    file_error(path, "holds " + std::to_string(held) + " parameters; its configuration needs " +
                         std::to_string(config.parameter_count()));
}

std::map<std::string, std::string> metadata_of(const VisionTransformer& model,
                                               std::map<std::string, std::string> notes) {
  notes[kind_key] = "model";
  notes[config_key] = to_json(model.config);
  return notes;
}

}  // namespace

void save_model(const std::string& path, const VisionTransformer& model,
                const std::map<std::string, std::string>& notes) {
  save_safetensors(path, model.state_dict(), metadata_of(model, notes));
}

OnnxModel onnx_model(const VisionTransformer& model,
                     const std::map<std::string, std::string>& notes) {
  OnnxModel out = onnx_model(capture(model), "images", "logits");
  out.name = model.config.name;
  out.metadata = metadata_of(model, notes);
  return out;
}

LoadedModel load_model(const std::string& path) {
  const TensorFile file = load_safetensors(path);
  const auto kind = file.metadata.find(kind_key), config = file.metadata.find(config_key);
  if (kind == file.metadata.end() || config == file.metadata.end())
    file_error(path, "holds tensors but no Espalier model (its metadata lacks " +
                         std::string(config_key) + ")");
  const ViTConfig stored = vit_config_from_json(config->second, path);
  const NamedTensors weights = file.under(kind->second == "checkpoint" ? "optimizer.average." : "");
  check_size(weights, stored, path);
  Generator unused;
  auto model = std::make_unique<VisionTransformer>(stored, unused);
  try {
    model->load_state_dict(weights);
  } catch (const Error& error) {
    file_error(path, error.what());
  }
  model->eval();
  return {std::move(model), file.metadata};
}

}  // namespace espalier
