// A model on disk: its weights, and its configuration in the file's metadata.
#pragma once

#include <map>
#include <memory>

#include "engine/onnx_writer.h"
#include "nn/vit.h"

namespace espalier {

// Metadata keys. A "model" holds weights by their names; a "checkpoint" holds a whole training run,
// whose averaged weights stand under "optimizer.average.".
constexpr const char* kind_key = "espalier.kind";
constexpr const char* config_key = "espalier.config";

// Writes the model atomically. `notes` (accuracy, how it was trained) join the metadata.
void save_model(const std::string& path, const VisionTransformer& model,
                const std::map<std::string, std::string>& notes = {});

// A model in evaluation mode from a model file or a checkpoint, with the file's metadata. Throws a
// file error where the file holds no model of ours or its tensors do not fit its configuration.
struct LoadedModel {
  std::unique_ptr<VisionTransformer> model;
  std::map<std::string, std::string> metadata;
};
LoadedModel load_model(const std::string& path);

// The model for other engines: from "images" f32 [N, H, W, C], normalised, to "logits" [N,
// classes]. `notes` and the configuration go into its metadata.
OnnxModel onnx_model(const VisionTransformer& model,
                     const std::map<std::string, std::string>& notes = {});

}  // namespace espalier
