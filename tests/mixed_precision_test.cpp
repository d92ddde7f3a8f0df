// Models in whole numbers but for parts that stay in floats.
#include "compress/fidelity.h"
#include "compress/qat.h"
#include "compress/quantize_model.h"
#include "engine/autograd.h"
#include "engine/io/safetensors.h"
#include "engine/plan.h"
#include "nn/int8_graph.h"
#include "nn/named_tensors.h"
#include "tests/int8_model.h"
#include "tests/refusal.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

const KeptLayers choices[] = {{"tokenizer"},
                              {"blocks.0"},
                              {"blocks.0.mlp", "blocks.1.attention"},
                              {"blocks.1"},
                              {"tokenizer", "blocks.0.attention.qkv", "blocks.1.mlp"}};

std::string joined(const KeptLayers& kept) {
  std::string text;
  for (const std::string& name : kept) text += " " + name;
  return text;
}

bool is_in(const KeptLayers& kept, const std::string& layer) {
  for (std::string name : kept) {
    if (name.ends_with(".qkv")) name.resize(name.size() - 4);
    if (layer.starts_with(name)) return true;
  }
  return false;
}

bool multiplies(const Plan::StepInfo& step) {
  return step.operation.starts_with("linear") || step.operation.starts_with("add_linear") ||
         step.operation.starts_with("conv2d") || step.operation.starts_with("attention");
}

}  // namespace

TEST_CASE("what is kept multiplies in floats, the rest in whole numbers") {
  Generator generator(3);
  const Int8Model m(small_config("conv", "class"), generator);
  const Tensor reference = compile(m.graph)(m.images);
  for (const KeptLayers& kept : choices) {
    INFO(joined(kept));
    const IntegerModel made = quantize_model(m.graph, m.images, {.keep = kept});
    const Graph graph = int8_graph(m.graph, made.parameters);
    Plan plan = compile(graph);
    for (const Plan::StepInfo& step : plan.steps()) {
      if (!multiplies(step) || step.layer == "head") continue;
      INFO(step.layer, " ", step.operation);
      CHECK((step.arithmetic == DType::f32) == is_in(kept, step.layer));
    }
    CHECK(fidelity(plan(m.images), reference).signal_to_noise >= 25);
    const NoGradGuard off;
    CHECK(plan(m.images).to_vector() == compile(graph, {.threads = 3})(m.images).to_vector());
  }
}

TEST_CASE("keeping all branches but one rounds less than keeping none") {
  Generator generator(3);
  const Int8Model m(small_config("conv", "class"), generator);
  const Tensor reference = compile(m.graph)(m.images);
  const auto noise = [&](const KeptLayers& kept) {
    const IntegerModel made = quantize_model(m.graph, m.images, {.keep = kept});
    return fidelity(compile(int8_graph(m.graph, made.parameters))(m.images), reference)
        .signal_to_noise;
  };
  CHECK(noise({"tokenizer", "blocks.0", "blocks.1.mlp"}) > noise({}) + 3);
}

TEST_CASE("a model with kept parts survives its file, its floats in any storage") {
  const TemporaryFolder folder;
  Generator generator(2);
  const Int8Model m(small_config("conv", "sequence"), generator);
  for (const KeptLayers& kept : choices) {
    const IntegerModel made = quantize_model(m.graph, m.images, {.keep = kept});
    for (DType floats : {DType::f32, DType::f16, DType::bf16}) {
      INFO(joined(kept), " ", dtype_name(floats));
      save_int8_model(folder.file("m"), m.model.config, m.graph, made.parameters, {}, floats);
      const LoadedModel loaded = load_model(folder.file("m"));
      CHECK(loaded.dtype == "int8");
      CHECK(loaded.options.weights == floats);
      Plan expected = compile(int8_graph(m.graph, made.parameters), {.weights = floats});
      CHECK(compile(loaded.graph, loaded.options)(m.images).to_vector() ==
            expected(m.images).to_vector());
    }
  }
}

TEST_CASE("training on integer kernels gives the deployed logits where parts are kept") {
  const NoGradGuard off;
  for (const KeptLayers& kept : choices) {
    INFO(joined(kept));
    Generator generator(4);
    auto module = std::make_unique<VisionTransformer>(small_config("conv", "class"), generator);
    module->eval();
    const Tensor images = random_tensor({11, 8, 8, 1}, 6, DType::f32);
    const IntegerModel made = quantize_model(capture(*module), images, {.keep = kept});
    QatModel model(std::move(module), made.scales);
    model.prepare();
    const auto trained = model.forward(images).to_vector();
    const auto deployed = compile(model.deployed())(images).to_vector();
    // Floats add up in another order in a plan; what they stand on is the same codes.
    double largest = 0;
    for (double logit : deployed) largest = std::max(largest, std::abs(logit));
    const double bound = 64 * static_cast<double>(std::numeric_limits<float>::epsilon()) * largest;
    for (size_t i = 0; i < deployed.size(); ++i) CHECK(std::abs(trained[i] - deployed[i]) <= bound);
  }
}

TEST_CASE("names that keep nothing, or everything, are refused") {
  Generator generator(2);
  const Int8Model m(small_config("conv", "class"), generator);
  const auto refused = [&](const KeptLayers& kept) {
    return refusal_of([&] { quantize_model(m.graph, m.images, {.keep = kept}); });
  };
  CHECK(contains(refused({"blocks.7"}), "one of tokenizer, blocks.0.attention, blocks.0.mlp"));
  CHECK(contains(refused({"block"}), "'block'"));
  CHECK(contains(refused({"blocks.0.attention.out"}), "'blocks.0.attention.out'"));
  CHECK(contains(refused({"blocks"}), "keep less of it in floats"));
  std::string parts;
  for (const Int8Part& part : int8_parts(m.graph)) parts += part.name + " " + part.norm + ",";
  CHECK(parts ==
        "tokenizer ,blocks.0.attention blocks.0.norm1,blocks.0.mlp blocks.0.norm2,"
        "blocks.1.attention blocks.1.norm1,blocks.1.mlp blocks.1.norm2,");
}

TEST_CASE("a file whose floats are whole numbers is refused") {
  const TemporaryFolder folder;
  Generator generator(2);
  const Int8Model m(small_config("conv", "class"), generator);
  save_int8_model(folder.file("m"), m.model.config, m.graph, m.parameters);
  const TensorFile file = load_safetensors(folder.file("m"));
  for (const char* name : {"positions", "head.weight", "norm.bias"}) {
    NamedTensors tensors;
    for (const auto& [other, tensor] : file.under(""))
      tensors.emplace_back(other,
                           other == name ? Tensor::zeros(tensor.shape(), DType::s8) : tensor);
    save_safetensors(folder.file("changed"), tensors, file.metadata);
    CHECK(contains(refusal_of([&] { load_model(folder.file("changed")); }, ErrorKind::file), name));
  }
}

}  // namespace espalier::test
