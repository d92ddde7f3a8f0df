// Encoders in whole numbers: calibration, conversion, files, and the same codes everywhere.
#include "nn/int8_graph.h"

#include <cmath>

#include "compress/fidelity.h"
#include "compress/observers/min_max.h"
#include "engine/autograd.h"
#include "engine/dispatch.h"
#include "engine/io/safetensors.h"
#include "engine/ops/binary.h"
#include "engine/ops/max_pool2d.h"
#include "engine/ops/relu.h"
#include "engine/ops/softmax.h"
#include "engine/ops/view.h"
#include "engine/plan.h"
#include "tests/gradient_test.h"
#include "tests/int8_model.h"
#include "tests/refusal.h"
#include "tests/steady_run.h"
#include "tests/temporary_folder.h"

namespace espalier::test {

TEST_CASE("a min-max observer keeps each channel's ends, and zero") {
  MinMaxObserver observer;
  CHECK(contains(refusal_of([&] { observer.range(); }), "observe() something first"));
  observer.observe(Tensor::of<float>({1, 5, -2, 3, 4, 7}, {2, 3}));
  observer.observe(Tensor::of<float>({2, -1, -3}, {1, 3}));
  CHECK(observer.range().low == -3);
  CHECK(observer.range().high == 7);
  CHECK(observer.range(0, 1).low == 0);
  CHECK(observer.range(0, 1).high == 3);
  CHECK(observer.range(1, 2).low == -1);
  CHECK(contains(refusal_of([&] { observer.observe(Tensor::zeros({2, 4})); }), "[..., 3]"));
  CHECK_THROWS_AS(observer.observe(Tensor::of<float>({1, HUGE_VALF, 2}, {3})), Error);
}

TEST_CASE("fidelity is a ratio of energies") {
  const Tensor reference = Tensor::of<float>({3, 4, 0, 12}, {2, 2});
  const Fidelity same = fidelity(reference, reference);
  CHECK(std::isinf(same.signal_to_noise));
  CHECK(same.agreement == 1);
  const Fidelity other = fidelity(Tensor::of<float>({4, 3, 0, 12}, {2, 2}), reference);
  CHECK(other.signal_to_noise == doctest::Approx(10 * std::log10(169.0 / 2)));
  CHECK(other.largest_difference == 1);
  CHECK(other.agreement == 0.5);
}

TEST_CASE("an integer model follows its fp32 one, and no fp32 lies between tokenizer and head") {
  Generator generator(1);
  for (const char* tokenizer : {"patch", "conv"})
    for (const char* pooling : {"class", "sequence"}) {
      INFO(tokenizer, " ", pooling);
      const Int8Model m(small_config(tokenizer, pooling), generator);
      Plan reference = compile(m.graph), plan = compile(int8_graph(m.graph, m.parameters));
      const Fidelity f = fidelity(plan(m.images), reference(m.images));
      CHECK(f.signal_to_noise >= 25);
      CHECK(plan.steps().size() > 2 * 7);
      for (const Plan::StepInfo& step : plan.steps()) {
        INFO(step.layer, " ", step.operation);
        CHECK(step.operation != "conv2d");
        if (step.layer.rfind("blocks.", 0) != 0) continue;
        CHECK((step.dtype == DType::s8 || step.dtype == DType::s16));
      }
    }
}

TEST_CASE("an integer model of blocks that differ follows its fp32 one") {
  Generator generator(1);
  const Int8Model m(ragged_config(), generator);
  Plan reference = compile(m.graph), plan = compile(int8_graph(m.graph, m.parameters));
  const Fidelity f = fidelity(plan(m.images), reference(m.images));
  CHECK(f.signal_to_noise >= 25);
  const TemporaryFolder folder;
  save_int8_model(folder.file("m"), m.model.config, m.graph, m.parameters);
  const LoadedModel loaded = load_model(folder.file("m"));
  CHECK(loaded.config.blocks == m.model.config.blocks);
  CHECK(compile(loaded.graph)(m.images).to_vector() == plan(m.images).to_vector());
}

TEST_CASE("an integer attention takes the scale of scores that its model has") {
  const auto score = [](int64_t scale_dim) {
    Generator generator(1);
    ViTConfig config = ragged_config();
    config.blocks[0].scale_dim = scale_dim;
    const Int8Model m(config, generator);
    for (const auto& [name, tensor] : m.parameters)
      if (name == "blocks.0.attention.scales") return tensor.to_vector()[0];
    return 0.0;
  };
  CHECK(score(7) > 0);
  CHECK(score(7) == 2 * score(28));
}

TEST_CASE(
    "an integer tokenizer and encoder give the same codes on every ISA, thread count and chunk") {
  Generator generator(1);
  const Encoder encoder(generator);
  const Tensor inputs = random_tensor({9, 12, 12, 1}, 6, DType::f32);
  const Graph fp32 = capture(encoder, {12, 12, 1});
  const Graph graph = int8_graph(fp32, convert_int8(fp32, inputs));
  const Isa before = isa_limit();
  std::vector<std::vector<double>> results;
  for (Isa isa : built_isas()) {
    if (!cpu_can_run(isa)) continue;
    limit_isa(isa);
    for (int threads : {1, 2, 3, 8})
      for (int64_t chunk : {1, 3, 0}) {
        INFO(std::string(isa_name(isa)), ", ", threads, " threads, chunk ", chunk);
        Plan plan = compile(graph, {.threads = threads, .chunk = chunk});
        results.push_back(plan(inputs).to_vector());
        CHECK(results.back() == results.front());
      }
  }
  limit_isa(before);
}

TEST_CASE("an integer plan allocates nothing and decides nothing while it runs") {
  Generator generator(1);
  const Int8Model m(small_config("conv", "class"), generator);
  for (int threads : {1, 2})
    for (int64_t batch : {1, 7}) {
      INFO(threads, " threads, batch ", batch);
      Plan plan = compile(int8_graph(m.graph, m.parameters), {.threads = threads});
      const Tensor x = random_tensor({batch, 8, 8, 1}, 6, DType::f32), y = plan(x);
      check_steady_run(plan, x, y);
    }
}

TEST_CASE("an integer model survives its file") {
  const TemporaryFolder folder;
  Generator generator(2);
  const Int8Model m(small_config("conv", "sequence"), generator);
  save_int8_model(folder.file("m"), m.model.config, m.graph, m.parameters, {{"note", "x"}});
  const LoadedModel loaded = load_model(folder.file("m"));
  CHECK(loaded.dtype == "int8");
  CHECK(!loaded.model);
  CHECK(loaded.metadata.at("note") == "x");
  Plan expected = compile(int8_graph(m.graph, m.parameters)), found = compile(loaded.graph);
  CHECK(found(m.images).to_vector() == expected(m.images).to_vector());
}

TEST_CASE("an integer model from before tokenizers became whole numbers runs as it did") {
  const TemporaryFolder folder;
  Generator generator(2);
  for (const char* tokenizer : {"patch", "conv"}) {
    INFO(tokenizer);
    const Int8Model m(small_config(tokenizer, "class"), generator);
    save_int8_model(folder.file("m"), m.model.config, m.graph, without_tokenizer(m.parameters));
    Plan plan = compile(load_model(folder.file("m")).graph), reference = compile(m.graph);
    CHECK(fidelity(plan(m.images), reference(m.images)).signal_to_noise >= 25);
    for (const Plan::StepInfo& step : plan.steps())
      CHECK((step.layer.rfind("tokenizer.", 0) != 0 || step.dtype == DType::f32));
  }
}

TEST_CASE("a tokenizer that something else reads stays in fp32") {
  Generator generator(2);
  const Encoder encoder(generator);
  const NoGradGuard off;
  const auto twice = [&](const Tensor& images) {
    return add(encoder(images), mul(encoder(images), encoder(images)));
  };
  const Int8Roles roles = int8_roles(capture(twice, {12, 12, 1}, {}));
  CHECK(roles.tokens == Graph::absent);
  CHECK(!roles.stream.empty());
}

TEST_CASE("parameters that make no integer model are refused by name") {
  Generator generator(2);
  const Int8Model m(small_config("conv", "class"), generator);
  const auto refused = [&](const std::string& name, const Tensor& tensor, const char* part) {
    NamedTensors changed;
    for (const auto& [other, value] : m.parameters)
      if (other != name)
        changed.emplace_back(other, value);
      else if (tensor.defined())
        changed.emplace_back(other, tensor);
    const std::string message = refusal_of([&] { int8_graph(m.graph, changed); });
    INFO(message);
    CHECK(contains(message, part));
  };
  refused("stream.scale", Tensor(), "no 'stream.scale'");
  refused("stream.scale", Tensor::of<float>({NAN}, {1}), "stream.scale is nan");
  refused("blocks.0.attention.qkv.zero_point", Tensor::of<int32_t>({200}, {1}), "zero_point");
  refused("blocks.0.attention.qkv.bias", Tensor::zeros({48}, DType::s64), "qkv.bias is");
  refused("blocks.0.attention.qkv.bias", Tensor::full({48}, 2'147'483'647.0, DType::s32),
          "leave 32 bits");
  refused("blocks.0.mlp.fc1.multiplier", Tensor::full({24}, NAN), "fc1.multiplier is nan");
  refused("tokenizer.0.multiplier", Tensor::full({4}, -1), "not negative");
  refused("blocks.1.mlp.fc1.table", Tensor::zeros({255}, DType::s8), "table");
  refused("blocks.1.mlp.fc2.weight", Tensor::zeros({16, 23}, DType::s8), "weight");
  refused("blocks.0.norm1.weight", Tensor::zeros({15}), "weight");
  refused("blocks.0.attention.scales", Tensor::of<float>({1, -1}, {2}), "multiplier is -1");
  refused("input.scale", Tensor(), "no 'input.scale'");
  refused("input.zero_point", Tensor::of<int32_t>({300}, {1}), "zero_point");
  refused("tokenizer.0.zero_point", Tensor::of<int32_t>({-127}, {1}), "a ReLU follows");
  refused("tokenizer.0.bias", Tensor::full({4}, 2'147'483'647.0, DType::s32), "leave 32 bits");
  refused("tokenizer.1.weight", Tensor::zeros({16, 3, 3, 5}, DType::s8), "weight");
}

TEST_CASE("graphs without an encoder, or with what has no whole numbers, are refused") {
  const Graph plain = capture([](const Tensor& x) { return relu(x); }, {4, 6}, {});
  CHECK(contains(refusal_of([&] { int8_roles(plain); }), "no encoder block"));
  Generator generator(2);
  const LayerNorm norm(6);
  const Linear linear(6, 6, generator);
  const NoGradGuard off;
  const Graph odd = capture(
      [&](const Tensor& x) {
        const Tensor stream = relu(x);
        return add(stream, softmax(linear(norm(stream)), -1));
      },
      {4, 6}, {});
  CHECK(contains(refusal_of([&] { int8_roles(odd); }), "attention, gelu or the residual sum"));
}

}  // namespace espalier::test
