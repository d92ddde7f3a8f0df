#include "nn/model_file.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "engine/autograd.h"
#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/io/safetensors.h"
#include "engine/ops/cast.h"
#include "engine/ops/view.h"
#include "kernels/cast/cast.h"
#include "nn/coded_weights.h"
#include "nn/int8_graph.h"
#include "nn/named_tensors.h"

namespace espalier {
namespace {

constexpr const char *fp32_kind = "model", *int8_kind = "int8 model",
                     *checkpoint_kind = "checkpoint";

std::string kind_of(const std::string& dtype) { return dtype + " model"; }

// What a file of that kind holds codes for; "f32" of one that holds none.
std::string dtype_in(const std::string& kind) {
  static constexpr char dtypes[][8] = {"int8", "w8", "w4", "dynamic"};
  for (const char* dtype : dtypes)
    if (kind == kind_of(dtype)) return dtype;
  return dtype_name(DType::f32);
}

bool in_codes(const std::string& kind) { return dtype_in(kind) != dtype_name(DType::f32); }

// Files of ours of other kinds may hold a model's configuration too.
void check_kind(const std::string& kind, const std::string& path) {
  if (kind == fp32_kind || kind == checkpoint_kind || in_codes(kind)) return;
  file_error(path,
             "holds a " + kind +
                 ", which is no model to run; give a model, such as train's "
                 "checkpoints/best.safetensors, or what learn --compress leaves in artefacts/");
}

// Before memory for a model is taken: the file must hold the numbers that its configuration needs.
// Codes come with scales and tables of their own, those of 4 bits two a byte.
void check_size(const NamedTensors& weights, const ViTConfig& config, const std::string& kind,
                const std::string& path) {
  int64_t held = 0;
  for (const auto& [name, tensor] : weights)
    held += tensor.numel() * (tensor.dtype() == DType::u8 ? 2 : 1);
  const int64_t needed = config.parameter_count();
  if (kind == checkpoint_kind && held > needed)
    file_error(path,
               "holds a checkpoint of a training that learns more than a model's weights, "
               "which is no model to run; give best.safetensors beside it");
  if (in_codes(kind) ? held < needed : held != needed)
    file_error(path, "holds " + std::to_string(held) + " parameters; its configuration needs " +
                         std::to_string(needed));
}

// What a model in codes keeps in fp32 goes into a module; of what became codes the module keeps its
// own values, which int8_graph() and coded_graph() put aside.
void load_fp32_part(VisionTransformer& model, const NamedTensors& tensors) {
  NamedTensors state;
  for (auto& [name, parameter] : model.state_dict()) {
    const Tensor* found = find_named(tensors, name);
    if (!found) argument_error("load_model", "tensors", "no '" + name + "'", "one", "");
    state.emplace_back(name, found->dtype() == DType::f32 ? *found : parameter);
  }
  model.load_state_dict(state);
}

template <class Half>
Tensor widened(const Tensor& half) {
  const Tensor wide = Tensor::empty(half.shape());
  const Tensor from = contiguous(half);
  kernel(cast_kernels<Half, float>()).run(from.data<Half>(), wide.data<float>(), half.numel());
  return wide;
}

// Halves as f32, other tensors as they are. By the kernels alone: to(), which takes any pair of
// dtypes, would weigh more in a predictor than its model.
NamedTensors widened(NamedTensors tensors, DType stored) {
  if (stored == DType::f32) return tensors;
  for (auto& [name, tensor] : tensors)
    if (tensor.dtype() == stored)
      tensor = stored == DType::f16 ? widened<Float16>(tensor) : widened<BFloat16>(tensor);
  return tensors;
}

// The one half-precision dtype of the tensors, or f32; an argument error where there are both.
DType half_among(const NamedTensors& tensors) {
  DType half = DType::f32;
  for (const auto& [name, tensor] : tensors) {
    const DType dtype = tensor.dtype();
    if (dtype != DType::f16 && dtype != DType::bf16) continue;
    if (half != DType::f32) check_dtype("load_model", name.c_str(), tensor, half);
    half = dtype;
  }
  return half;
}

// What the graph has in fp32 must not be whole numbers in the file.
void check_fp32_part(const Graph& graph, const NamedTensors& tensors) {
  for (const Graph::Value& value : graph.values) {
    if (!value.constant.defined() || value.constant.dtype() != DType::f32) continue;
    if (const Tensor* held = find_named(tensors, value.name))
      check_dtype("load_model", value.name.c_str(), *held, DType::f32);
  }
}

// 0, which stands for all of a channel, where nobody told a number.
int64_t group_size_of(const std::map<std::string, std::string>& metadata) {
  const auto found = metadata.find(group_size_key);
  if (found == metadata.end()) return 0;
  char* end = nullptr;
  const int64_t size = std::strtoll(found->second.c_str(), &end, 10);
  if (found->second.empty() || *end != '\0')
    argument_error("load_model", group_size_key, "'" + found->second + "'", "a number", "");
  return size;
}

void fill_with_codes(LoadedModel& loaded, const NamedTensors& stored) {
  const bool whole = loaded.dtype == "int8";
  const DType half = whole ? half_among(stored) : DType::f16;
  const NamedTensors tensors = widened(stored, half);
  load_fp32_part(*loaded.model, tensors);
  loaded.model->eval();
  const Graph graph = capture(*loaded.model);
  loaded.graph = whole ? int8_graph(graph, tensors)
                       : coded_graph(graph, tensors, group_size_of(loaded.metadata),
                                     loaded.dtype == "dynamic");
  if (whole) loaded.options.weights = half;
  check_fp32_part(loaded.graph, tensors);
  loaded.model.reset();
}

void fill(LoadedModel& loaded, const NamedTensors& weights) {
  VisionTransformer& model = *loaded.model;
  const DType stored = half_among(weights);
  if (stored != DType::f32) {
    for (const auto& [name, tensor] : weights)
      check_dtype("load_model", name.c_str(), tensor, stored);
    loaded.options.weights = stored;
    loaded.dtype = dtype_name(stored);
  }
  model.load_state_dict(widened(weights, stored));
  model.eval();
  loaded.graph = capture(model);
}

void check_half(const char* function, DType stored) {
  if (stored != DType::f16 && stored != DType::bf16)
    argument_error(function, "dtype", dtype_name(stored), "f32, f16 or bf16", "");
}

NamedTensors in_dtype(NamedTensors tensors, DType dtype) {
  const NoGradGuard off;
  for (auto& [name, tensor] : tensors) tensor = to(tensor, dtype);
  return tensors;
}

// What plans may store in half precision: the second operand of a linear in floats.
bool is_linear_weight(const Graph& graph, const Graph::Value& value) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Graph::Node& node) {
    return is_op(node, "linear") && &graph.values[static_cast<size_t>(node.inputs[1])] == &value;
  });
}

std::map<std::string, std::string> metadata_of(const char* kind, const ViTConfig& config,
                                               std::map<std::string, std::string> notes) {
  notes[kind_key] = kind;
  notes[config_key] = to_json(config);
  return notes;
}

OnnxModel onnx_model(const Graph& graph, const char* kind, const ViTConfig& config,
                     const std::map<std::string, std::string>& notes) {
  OnnxModel out = onnx_model(graph, "images", "logits");
  out.name = config.name;
  out.metadata = metadata_of(kind, config, notes);
  return out;
}

}  // namespace

void save_model(const std::string& path, const VisionTransformer& model,
                const std::map<std::string, std::string>& notes, DType stored) {
  if (stored != DType::f32) check_half("save_model", stored);
  save_safetensors(path, in_dtype(model.state_dict(), stored),
                   metadata_of(fp32_kind, model.config, notes));
}

OnnxModel onnx_model(const VisionTransformer& model,
                     const std::map<std::string, std::string>& notes) {
  return onnx_model(capture(model), fp32_kind, model.config, notes);
}

OnnxModel onnx_model(const LoadedModel& loaded, const std::map<std::string, std::string>& notes) {
  const std::string kind = loaded.model ? fp32_kind : kind_of(loaded.dtype);
  return onnx_model(loaded.graph, kind.c_str(), loaded.config, notes);
}

void save_int8_model(const std::string& path, const ViTConfig& config, const Graph& graph,
                     const NamedTensors& parameters,
                     const std::map<std::string, std::string>& notes, DType kept) {
  if (kept != DType::f32) check_half("save_int8_model", kept);
  NamedTensors tensors = parameters, rest;
  std::set<std::string> names;
  for (const auto& [name, tensor] : parameters) names.insert(name);
  const Graph integers = int8_graph(graph, parameters);
  for (const Graph::Value& value : integers.values)
    if (value.constant.defined() && names.insert(value.name).second) {
      const Tensor tensor = value.constant.detach();
      (is_linear_weight(integers, value) ? rest : tensors).emplace_back(value.name, tensor);
    }
  if (kept != DType::f32) rest = in_dtype(std::move(rest), kept);
  tensors.insert(tensors.end(), rest.begin(), rest.end());
  save_safetensors(path, tensors, metadata_of(int8_kind, config, notes));
}

void save_coded_model(const std::string& path, const ViTConfig& config, const Graph& graph,
                      const NamedTensors& parameters, const std::string& dtype, int64_t group_size,
                      const std::map<std::string, std::string>& notes) {
  NamedTensors tensors = parameters;
  for (const Graph::Value& value : graph.values)
    if (value.constant.defined() && !value.name.empty() && !find_named(parameters, value.name))
      tensors.emplace_back(value.name, value.constant.detach());
  const NoGradGuard off;
  for (auto& [name, tensor] : tensors)
    if (tensor.dtype() == DType::f32) tensor = to(tensor, DType::f16);
  auto metadata = metadata_of(kind_of(dtype).c_str(), config, notes);
  metadata[group_size_key] = std::to_string(group_size);
  save_safetensors(path, tensors, metadata);
}

LoadedModel load_model(const std::string& path) {
  const TensorFile file = load_safetensors(path);
  const auto kind = file.metadata.find(kind_key), config = file.metadata.find(config_key);
  if (kind != file.metadata.end()) check_kind(kind->second, path);
  if (kind == file.metadata.end() || config == file.metadata.end())
    file_error(path, "holds tensors but no Espalier model (its metadata lacks " +
                         std::string(config_key) + ")");
  LoadedModel loaded;
  loaded.config = vit_config_from_json(config->second, path);
  loaded.metadata = file.metadata;
  loaded.dtype = dtype_in(kind->second);
  const NamedTensors weights =
      file.under(kind->second == checkpoint_kind ? "optimizer.average." : "");
  check_size(weights, loaded.config, kind->second, path);
  Generator unused;
  loaded.model = std::make_unique<VisionTransformer>(loaded.config, unused);
  try {
    in_codes(kind->second) ? fill_with_codes(loaded, weights) : fill(loaded, weights);
  } catch (const Error& error) {
    file_error(path, error.what());
  }
  return loaded;
}

}  // namespace espalier
