// A model on disk: its weights, and its configuration in the file's metadata.
#pragma once

#include <map>
#include <memory>

#include "engine/onnx_writer.h"
#include "engine/plan.h"
#include "nn/vit.h"

namespace espalier {

// Metadata keys. A "model" holds weights by their names; a "checkpoint" holds a whole training run,
// whose averaged weights stand under "optimizer.average."; an "int8 model" holds the parameters of
// nn/int8_graph.h and what stays in fp32; a "w8 model", "w4 model" or "dynamic model" those of
// nn/coded_weights.h.
constexpr const char* kind_key = "espalier.kind";
constexpr const char* config_key = "espalier.config";

// Writes the model atomically, its weights as `stored`: f32, or f16 or bf16 in half the bytes.
// `notes` (accuracy, how it was trained) join the metadata.
void save_model(const std::string& path, const VisionTransformer& model,
                const std::map<std::string, std::string>& notes = {}, DType stored = DType::f32);

// Writes a model in whole numbers atomically: `graph` is a capture of the fp32 model, `parameters`
// are those of int8_graph(). Weights of linear layers that it keeps in floats are stored as `kept`.
void save_int8_model(const std::string& path, const ViTConfig& config, const Graph& graph,
                     const NamedTensors& parameters,
                     const std::map<std::string, std::string>& notes = {}, DType kept = DType::f32);

// Writes a model whose linear layers have codes for weights atomically, as nn/coded_weights.h says:
// `graph` is a capture of the fp32 model, `parameters` the codes and their f32 scales, `dtype`
// "w8", "w4" or "dynamic".
void save_coded_model(const std::string& path, const ViTConfig& config, const Graph& graph,
                      const NamedTensors& parameters, const std::string& dtype, int64_t group_size,
                      const std::map<std::string, std::string>& notes = {});

// A file of any of these kinds, ready to compile.
struct LoadedModel {
  ViTConfig config;
  Graph graph;
  // "int8" of a model in whole numbers, else what the file stores weights in: "f32", "f16", "bf16",
  // or in linear layers "w8", "w4", and "dynamic" where their activations are rounded too.
  std::string dtype;
  PlanOptions options;  // to compile `graph` with: weights stay in memory as they are in the file
  // In evaluation mode; null for a model in whole numbers or with weights in codes.
  std::unique_ptr<VisionTransformer> model;
  std::map<std::string, std::string> metadata;
};
// Throws a file error where the file holds no model of ours, as a checkpoint of continual learning
// or of learned scales doesn't, or its tensors do not fit its configuration.
LoadedModel load_model(const std::string& path);

// The model for other engines: from "images" f32 [N, H, W, C], normalised, to "logits" [N,
// classes]. `notes` and the configuration go into its metadata. Of a model in whole numbers each
// product stands between QuantizeLinear and DequantizeLinear, and everything else, the stream too,
// is in fp32. An argument error where its file was written without the scales that this takes.
OnnxModel onnx_model(const VisionTransformer& model,
                     const std::map<std::string, std::string>& notes = {});
OnnxModel onnx_model(const LoadedModel& loaded,
                     const std::map<std::string, std::string>& notes = {});

}  // namespace espalier
