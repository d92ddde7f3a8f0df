// Models: their sizes, files and gradients.
#include "nn/vit.h"

#include "engine/io/safetensors.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/view.h"
#include "engine/plan.h"
#include "nn/model_file.h"
#include "nn/train_config.h"
#include "tests/gradient_test.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

ViTConfig tiny_config(const std::string& tokenizer, const std::string& pooling) {
  return {.image_size = 8,
          .classes = 3,
          .tokenizer = tokenizer,
          .patch_size = 4,
          .conv_channels = {4},
          .width = 8,
          .depth = 2,
          .heads = 2,
          .mlp_hidden = 12,
          .pooling = pooling};
}

// Weights of order one: at the initial 0.02, a layer norm bends within any step fp32 resolves.
void draw_large_weights(const VisionTransformer& model) {
  unsigned seed = 0;
  for (const auto& [name, parameter] : model.named_parameters())
    parameter.copy_(random_tensor(parameter.shape(), ++seed, DType::f32, 0.5));
}

}  // namespace

TEST_CASE("the built-in models have the parameters that they are known by") {
  Generator generator(1);
  CHECK(VisionTransformer(named_config("vit-peer"), generator).parameter_count() == 737'546);
  CHECK(VisionTransformer(named_config("vit-fashion"), generator).parameter_count() == 724'245);
  CHECK(named_config("vit-peer").tokens() == 50);
  CHECK(named_config("vit-fashion").tokens() == 49);
  CHECK_THROWS_AS(named_config("vit-huge"), Error);
}

TEST_CASE("a configuration knows how many parameters its model has") {
  Generator generator(1);
  for (const char* tokenizer : {"patch", "conv"})
    for (const char* pooling : {"class", "sequence"}) {
      const ViTConfig config = tiny_config(tokenizer, pooling);
      CHECK(config.parameter_count() == VisionTransformer(config, generator).parameter_count());
    }
}

TEST_CASE("poolings stand behind the last convolution and every so many before it") {
  Generator generator(1);
  ViTConfig config = tiny_config("conv", "sequence");
  config.conv_channels = {4, 5, 6};
  const auto check_tokens = [&](int64_t convs_per_pool, int64_t tokens) {
    INFO(convs_per_pool, " for a pooling");
    config.convs_per_pool = convs_per_pool;
    CHECK(config.tokens() == tokens);
    CHECK(vit_config_from_json(to_json(config), "here").tokens() == tokens);
    const VisionTransformer model(config, generator);
    CHECK(model.parameter_count() == config.parameter_count());
    CHECK(model(random_tensor({2, 8, 8, 1}, 3, DType::f32)).shape() == Shape{2, 3});
    std::string tokenizer;
    for (const Graph::Node& node : capture(model).nodes)
      if (is_op(node, "conv2d") || is_op(node, "relu") || is_op(node, "max_pool2d"))
        tokenizer += std::string(node.op->name) + " ";
    return tokenizer;
  };
  const std::string conv = "conv2d relu ", pool = "max_pool2d ";
  CHECK(check_tokens(1, 1) == conv + pool + conv + pool + conv + pool + conv + pool);
  CHECK(check_tokens(2, 4) == conv + conv + pool + conv + conv + pool);
  CHECK(check_tokens(3, 4) == conv + pool + conv + conv + conv + pool);
  CHECK(check_tokens(4, 16) == conv + conv + conv + conv + pool);
  config.convs_per_pool = 0;
  CHECK_THROWS_WITH_AS(validate(config), doctest::Contains("convs_per_pool is 0"), Error);
  CHECK(vit_config_from_json(R"({"conv_channels": [4]})", "an older file").convs_per_pool == 1);
}

TEST_CASE("blocks may each have widths of their own, and files keep them") {
  const TemporaryFolder folder;
  Generator generator(1);
  ViTConfig config = tiny_config("conv", "class");
  CHECK(to_json(config).find("blocks") == std::string::npos);
  config.width = 9;
  config.blocks = {{3, 5, 12, 8}, {1, 7, 2, 8}};
  VisionTransformer model(config, generator);
  model.eval();
  draw_large_weights(model);
  CHECK(config.parameter_count() == model.parameter_count());
  save_model(folder.file("m"), model);
  const LoadedModel loaded = load_model(folder.file("m"));
  CHECK(loaded.config.blocks == config.blocks);
  const NoGradGuard off;
  const Tensor images = random_tensor({5, 8, 8, 1}, 3, DType::f32);
  CHECK((*loaded.model)(images).to_vector() == model(images).to_vector());
  config.blocks[1].scale_dim = 7;  // of another scale, the same sizes
  VisionTransformer other(config, generator);
  other.eval();
  other.load_state_dict(model.state_dict());
  CHECK(other(images).to_vector() != model(images).to_vector());
}

TEST_CASE("a model's graph names each parameter once, and each layer by its module") {
  for (const char* tokenizer : {"patch", "conv"})
    for (const char* pooling : {"class", "sequence"}) {
      INFO(tokenizer, ", ", pooling);
      Generator generator(1);
      VisionTransformer model(tiny_config(tokenizer, pooling), generator);
      model.eval();
      const Graph graph = capture(model, {8, 8, 1});
      std::vector<std::string> expected, found;
      for (const auto& [name, parameter] : model.named_parameters()) expected.push_back(name);
      for (const Graph::Value& value : graph.values)
        if (!value.name.empty()) found.push_back(value.name);
      std::sort(expected.begin(), expected.end());
      std::sort(found.begin(), found.end());
      CHECK(found == expected);
      for (const Graph::Node& node : graph.nodes)
        if (node.op->name == std::string("linear"))
          CHECK(graph.values[static_cast<size_t>(node.inputs[1])].name == node.layer + ".weight");
      CHECK(graph.values[static_cast<size_t>(graph.output)].shape == BatchShape{{1, 0}, {0, 3}});
    }
}

TEST_CASE("a compiled model gives the module's logits, the same bits however it is run") {
  const NoGradGuard off;
  for (const char* tokenizer : {"patch", "conv"})
    for (const char* pooling : {"class", "sequence"}) {
      INFO(tokenizer, ", ", pooling);
      Generator generator(1);
      VisionTransformer model(tiny_config(tokenizer, pooling), generator);
      model.eval();
      draw_large_weights(model);
      const Graph graph = capture(model, {8, 8, 1});
      const Tensor images = random_tensor({11, 8, 8, 1}, 3, DType::f32);
      const std::vector<double> expected = model(images).to_vector();
      const std::vector<double> first = compile(graph)(images).to_vector();
      double largest = 0;
      for (double logit : expected) largest = std::max(largest, std::abs(logit));
      // Four residual sums, each a chain of at most 12 products and two terms more.
      const double bound = 4 * (12 + 2) * std::numeric_limits<float>::epsilon() * largest;
      for (size_t i = 0; i < expected.size(); ++i) CHECK(std::abs(first[i] - expected[i]) <= bound);
      for (int threads : {1, 2, 3, 8})
        for (int64_t chunk : {1, 3, 16}) {
          const int before = num_threads();
          set_num_threads(threads);
          Plan plan = compile(graph, {.threads = threads, .chunk = chunk});
          CHECK(plan(images).to_vector() == first);
          const Tensor alone = plan(reshape(slice(images, 0, 4, 5), {1, 8, 8, 1}));
          CHECK(alone.to_vector() == std::vector<double>(first.begin() + 12, first.begin() + 15));
          set_num_threads(before);
        }
    }
}

TEST_CASE("vit-peer's graph counts the arithmetic that its shape says") {
  Generator generator(1);
  VisionTransformer model(named_config("vit-peer"), generator);
  model.eval();
  const Graph graph = capture(model, {28, 28, 1});
  int64_t products = 0;
  for (const Graph::Node& node : graph.nodes) {
    const std::string op = node.op->name;
    if (op == "linear" || op == "conv2d" || op == "attention")
      products += cost_of(graph, node, 256).flops;
  }
  const int64_t T = 50, D = 128, H = 448;
  const int64_t block = T * D * (3 * D + D + 2 * H) + 2 * T * T * D;
  CHECK(products == 256 * 2 * (49 * 16 * D + 4 * block + D * 10));
}

TEST_CASE("every parameter of a model receives the gradient that finite differences find") {
  for (const char* tokenizer : {"patch", "conv"})
    for (const char* pooling : {"class", "sequence"}) {
      INFO(tokenizer, ", ", pooling);
      Generator generator(2);
      const VisionTransformer model(tiny_config(tokenizer, pooling), generator);
      draw_large_weights(model);
      const Tensor images = random_tensor({3, 8, 8, 1}, 3, DType::f32);
      const Tensor labels = Tensor::of<int64_t>({0, 2, 1}, {3});
      backward(cross_entropy(model(images), labels, 0.1));
      const NoGradGuard off;
      const double h = 1e-2;
      for (const auto& named : model.named_parameters()) {
        INFO(named.first);
        const Tensor& parameter = named.second;
        REQUIRE(parameter.grad().defined());
        // The steepest element, so that fp32's noise of about eps / h does not hide a fault.
        const auto gradient = parameter.grad().to_vector();
        size_t at = 0;
        for (size_t i = 0; i < gradient.size(); ++i)
          if (std::abs(gradient[i]) > std::abs(gradient[at])) at = i;
        float& value = parameter.data<float>()[at];
        const float before = value;
        const auto loss_at = [&](double x) {
          value = static_cast<float>(x);
          return cross_entropy(model(images), labels, 0.1).item();
        };
        const double slope = (loss_at(before + h) - loss_at(before - h)) / (2 * h);
        value = before;
        CHECK(std::abs(slope - gradient[at]) <= 16 * epsilon / h + h * std::abs(slope));
      }
    }
}

TEST_CASE("a block whose first token alone is read gives the same values and gradients") {
  std::vector<std::vector<double>> results[2];
  for (const TokensRead read : {TokensRead::all, TokensRead::first}) {
    Generator generator(3);
    EncoderBlock::Options options{8, {2, 4, 0.5}, 12};
    options.read = read;
    const EncoderBlock block(options, generator);
    auto& to = results[read == TokensRead::first];
    const Tensor x = random_tensor({3, 5, 8}, 1, DType::f32);
    x.set_requires_grad(true);
    const Tensor y = block(x), token = select(y, 1, 0);
    CHECK(y.shape() == (read == TokensRead::first ? Shape{3, 1, 8} : Shape{3, 5, 8}));
    backward(token, {.seed = random_tensor(token.shape(), 2, DType::f32)});
    to = {token.to_vector(), x.grad().to_vector()};
    for (const auto& [name, parameter] : block.named_parameters())
      to.push_back(parameter.grad().to_vector());
    const NoGradGuard off;
    CHECK(block(x).shape() == x.shape());
  }
  CHECK(results[0] == results[1]);
}

TEST_CASE("a model survives its file, and a foreign or misfitting one is refused") {
  const TemporaryFolder folder;
  Generator generator(4);
  VisionTransformer model(tiny_config("conv", "sequence"), generator);
  save_model(folder.file("m.safetensors"), model, {{"note", "x"}});
  const LoadedModel loaded = load_model(folder.file("m.safetensors"));
  model.eval();
  const NoGradGuard off;
  const Tensor images = random_tensor({2, 8, 8, 1}, 5, DType::f32);
  CHECK((*loaded.model)(images).to_vector() == model(images).to_vector());
  CHECK(loaded.metadata.at("note") == "x");
  CHECK_THROWS_AS(model(random_tensor({2, 9, 9, 1}, 5, DType::f32)), Error);

  save_safetensors(folder.file("foreign.safetensors"), model.state_dict());
  CHECK_THROWS_AS(load_model(folder.file("foreign.safetensors")), Error);
  save_safetensors(folder.file("misfit.safetensors"), {},
                   {{kind_key, "model"}, {config_key, to_json(model.config)}});
  CHECK_THROWS_AS(load_model(folder.file("misfit.safetensors")), Error);
  save_safetensors(folder.file("other.safetensors"), model.state_dict(),
                   {{kind_key, "continual checkpoint"}, {config_key, to_json(model.config)}});
  CHECK_THROWS_WITH_AS(load_model(folder.file("other.safetensors")),
                       doctest::Contains("continual checkpoint, which is no model to run"), Error);
}

TEST_CASE("configurations survive JSON, and damaged ones are refused by field") {
  const TrainConfig config = named_train_config("vit-fashion");
  CHECK(to_json(train_config_from_json(to_json(config), "here")) == to_json(config));
  for (const char* bad :
       {"{\"epochs\": \"five\"}", "{\"epochs\": 0}", "{\"epoch\": 1}", "[]", "{",
        "{\"model\": {\"width\": -1}}", "{\"model\": 3}", "{\"epochs\": 1, \"epochs\": 2}",
        R"({"model": {"blocks": 3}})", R"({"model": {"blocks": [3]}})",
        R"({"model": {"blocks": [{"heads": 2}]}})"}) {
    INFO(bad);
    CHECK_THROWS_AS(train_config_from_json(bad, "here"), Error);
  }
  const std::string nested(10'000, '[');
  CHECK_THROWS_AS(train_config_from_json(nested, "here"), Error);
}

}  // namespace espalier::test
