#include "nn/model_file.h"

#include "engine/error.h"
#include "engine/io/safetensors.h"

namespace espalier {
void save_model(const std::string& path, const VisionTransformer& model,
                const std::map<std::string, std::string>& notes) {
  std::map<std::string, std::string> metadata = notes;
  metadata[kind_key] = "model";
  metadata[config_key] = to_json(model.config);
  save_safetensors(path, model.state_dict(), metadata);
}

LoadedModel load_model(const std::string& path) {
  const TensorFile file = load_safetensors(path);
  const auto kind = file.metadata.find(kind_key), config = file.metadata.find(config_key);
  if (kind == file.metadata.end() || config == file.metadata.end())
    file_error(path, "holds tensors but no Espalier model (its metadata lacks " +
                         std::string(config_key) + ")");
  Generator unused;
  auto model =
      std::make_unique<VisionTransformer>(vit_config_from_json(config->second, path), unused);
  try {
    model->load_state_dict(file.under(kind->second == "checkpoint" ? "optimizer.average." : ""));
  } catch (const Error& error) {
    file_error(path, error.what());
  }
  model->eval();
  return {std::move(model), file.metadata};
}

}  // namespace espalier
