// Integer models in ONNX: products between QuantizeLinear and DequantizeLinear, read back and run.
#include "compress/fidelity.h"
#include "engine/autograd.h"
#include "engine/ops/attention_s8.h"
#include "engine/ops/binary.h"
#include "engine/ops/layer_norm_s8.h"
#include "engine/ops/linear_s8.h"
#include "engine/plan.h"
#include "nn/int8_graph.h"
#include "tests/int8_model.h"
#include "tests/onnx_runner.h"
#include "tests/refusal.h"

namespace espalier::test {
namespace {

LoadedModel saved_and_loaded(const Int8Model& m, const NamedTensors& parameters) {
  const TemporaryFolder folder;
  save_int8_model(folder.file("m"), m.model.config, m.graph, parameters);
  return load_model(folder.file("m"));
}

// A file as it was before the scales of codes were kept.
NamedTensors without_scales(const NamedTensors& parameters) {
  NamedTensors kept;
  for (const auto& [name, tensor] : without_tokenizer(parameters))
    if (name == "stream.scale" || !name.ends_with("scale")) kept.emplace_back(name, tensor);
  return kept;
}

class Nodes {
 public:
  explicit Nodes(const ReadModel& model) : model_(model) {
    for (const ReadNode& node : model.nodes)
      for (const std::string& output : node.outputs) makers_[output] = &node;
  }

  // The node that computed a value, looking through what only moves numbers; null for an input or
  // an initializer.
  const ReadNode* maker(const std::string& value) const {
    const auto found = makers_.find(value);
    if (found == makers_.end()) return nullptr;
    const std::string& type = found->second->type;
    return type == "Reshape" || type == "Transpose" ? maker(found->second->inputs[0])
                                                    : found->second;
  }

  // The second half of a pair, with its first before it.
  bool ends_pair(const std::string& value) const {
    const ReadNode* node = maker(value);
    if (!node || node->type != "DequantizeLinear") return false;
    const ReadNode* first = maker(node->inputs[0]);
    return first && first->type == "QuantizeLinear" && first->inputs[1] == node->inputs[1] &&
           first->inputs[2] == node->inputs[2];
  }

  // An initializer of that type behind a DequantizeLinear of one scale a channel, its dimension
  // `axis`.
  bool whole(const std::string& value, DType dtype, int axis = -1) const {
    const ReadNode* node = maker(value);
    if (!node || node->type != "DequantizeLinear") return false;
    const auto codes = model_.initializers.find(node->inputs[0]);
    const auto scale = model_.initializers.find(node->inputs[1]);
    return codes != model_.initializers.end() && scale != model_.initializers.end() &&
           codes->second.dtype() == dtype && scale->second.rank() == 1 &&
           scale->second.numel() == codes->second.size(axis);
  }

 private:
  const ReadModel& model_;
  std::map<std::string, const ReadNode*> makers_;
};

Tensor codes_of(const Tensor& x) { return quantize(x, 0.1, 3, DType::s8); }

}  // namespace

TEST_CASE("ONNX: an integer model means what it means here") {
  Generator generator(1);
  const NoGradGuard off;
  std::vector<ViTConfig> configs = {ragged_config()};
  for (const char* tokenizer : {"patch", "conv"})
    for (const char* pooling : {"class", "sequence"})
      configs.push_back(small_config(tokenizer, pooling));
  for (const ViTConfig& config : configs) {
    INFO(to_json(config));
    const Int8Model m(config, generator);
    const LoadedModel loaded = saved_and_loaded(m, m.parameters);
    const ReadModel read = read_back(onnx_model(loaded));
    CHECK(read.metadata.at(kind_key) == "int8 model");
    Plan plan = compile(loaded.graph);
    const Tensor found = OnnxRunner(read).run(m.images);
    // Alike but for the stream, which has 16 bits here, and for the shares of an attention.
    CHECK(fidelity(found, plan(m.images)).signal_to_noise >= 25);
  }
}

TEST_CASE("ONNX: each product of an integer model takes codes, and its weights are whole") {
  Generator generator(1);
  const Int8Model m(small_config("conv", "class"), generator);
  const ReadModel read = read_back(onnx_model(saved_and_loaded(m, m.parameters)));
  const Nodes nodes(read);
  for (const auto& parameter : m.parameters) {
    const std::string& name = parameter.first;
    const Tensor& tensor = parameter.second;
    if (tensor.dtype() != DType::s8 || tensor.rank() != 2) continue;
    INFO(name);
    REQUIRE(read.initializers.count(name));
    CHECK(read.initializers.at(name).dtype() == DType::s8);
    CHECK(read.initializers.at(name).to_vector() ==
          contiguous(transpose(tensor, 0, 1)).to_vector());
  }
  int products = 0, of_codes = 0;
  for (const ReadNode& node : read.nodes) {
    if (node.type != "MatMul" || node.name.rfind("blocks.", 0) != 0) continue;
    INFO(node.name);
    ++products;
    const ReadNode* maker = nodes.maker(node.inputs[0]);
    CHECK((nodes.ends_pair(node.inputs[0]) || (maker && maker->type == "Softmax")));
    if (nodes.ends_pair(node.inputs[1]))
      ++of_codes;
    else
      CHECK(nodes.whole(node.inputs[1], DType::s8));
  }
  CHECK(products == 2 * (4 + 2));  // four layers and two products of attention in each block
  CHECK(of_codes == 2 * 2);
  int biases = 0;
  for (const ReadNode& node : read.nodes)
    if (node.type == "Add" && nodes.whole(node.inputs[1], DType::s32)) ++biases;
  CHECK(biases == 2 * 4);
}

TEST_CASE("ONNX: each convolution of an integer model takes codes, and its weights are whole") {
  Generator generator(1);
  for (const char* tokenizer : {"patch", "conv"}) {
    INFO(tokenizer);
    const Int8Model m(small_config(tokenizer, "class"), generator);
    const ReadModel read = read_back(onnx_model(saved_and_loaded(m, m.parameters)));
    const Nodes nodes(read);
    size_t convolutions = 0, pools = 0;
    for (const ReadNode& node : read.nodes) {
      if (node.type != "Conv" && node.type != "MaxPool") continue;
      INFO(node.name);
      CHECK(nodes.ends_pair(node.inputs[0]));
      if (node.type == "MaxPool") {
        ++pools;
        continue;
      }
      ++convolutions;
      CHECK(nodes.whole(node.inputs[1], DType::s8, 0));
      CHECK(nodes.whole(node.inputs[2], DType::s32));
    }
    CHECK(convolutions == (pools ? 2 : 1));
    CHECK(pools == (tokenizer == std::string("conv") ? 2 : 0));
  }
}

TEST_CASE("ONNX: a file of old runs as before, and its export says what to do") {
  Generator generator(1);
  const Int8Model m(small_config("patch", "class"), generator);
  const NamedTensors old = without_scales(m.parameters);
  REQUIRE(old.size() < m.parameters.size());
  const LoadedModel loaded = saved_and_loaded(m, old);
  Plan expected = compile(int8_graph(m.graph, without_tokenizer(m.parameters)));
  CHECK(compile(loaded.graph)(m.images).to_vector() == expected(m.images).to_vector());
  const std::string message = refusal_of([&] { onnx_model(loaded); });
  CHECK(contains(message, "layer_norm_s8"));
  CHECK(contains(message, "blocks.0.norm1"));
  CHECK(contains(message, "compress the model again"));
}

TEST_CASE("ONNX: codes that other engines would read otherwise are refused") {
  CHECK(contains(refused_export(codes_of, {6}), "a result in codes"));
  CHECK(
      contains(refused_export([](const Tensor& x) { return dequantize(codes_of(x), 0.2, 3); }, {6}),
               "of another scale than the codes have"));
  CHECK(
      contains(refused_export([](const Tensor& x) { return dequantize(codes_of(x), 0.1, 4); }, {6}),
               "of another scale than the codes have"));
  const auto attend = [](const Tensor& x) {
    return dequantize(attention_s8(codes_of(x), 1, {1, 1, 0}), 0.1, 0);
  };
  CHECK(contains(refused_export(attend, {4, 6}), "attention_s8 is on codes of one scale"));
  const auto moved = [](const Tensor& x) {
    return dequantize(contiguous(permute(codes_of(x), {0, 2, 1})), 0.1, 3);
  };
  CHECK(contains(refused_export(moved, {4, 6}), "dequantize is on codes that something moved"));
  const Tensor row = Tensor::full({6}, 1.0);
  const auto unknown = [&](const Tensor& x) {
    return dequantize(layer_norm_s8(quantize(x, 0.1, 0, DType::s16), row, row, 1), 0.1, 0);
  };
  CHECK(contains(refused_export(unknown, {6}), "layer_norm_s8 is on codes of scale 0"));
}

}  // namespace espalier::test
