// Weights in codes: what they are rounded to, the files that hold them, and what loads them.
#include "compress/weight_only.h"

#include "compress/fidelity.h"
#include "engine/capture.h"
#include "engine/io/safetensors.h"
#include "engine/ops/cast.h"
#include "engine/ops/linear.h"
#include "engine/plan.h"
#include "engine/replay.h"
#include "kernels/cast/cast.h"
#include "nn/coded_weights.h"
#include "nn/named_tensors.h"
#include "tests/int8_model.h"
#include "tests/onnx_runner.h"
#include "tests/refusal.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

Graph one_layer(const Tensor& weight) {
  return capture([&](const Tensor& x) { return linear(x, weight); }, {weight.size(1)},
                 {{"weight", weight}});
}

int code_at(const Tensor& codes, int64_t n, int64_t k) {
  const auto* row = reinterpret_cast<const uint8_t*>(codes.bytes()) + n * codes.size(1);
  if (codes.dtype() == DType::s8) return static_cast<int8_t>(row[k]);
  return (row[k / 2] >> (k % 2 * 4) & 15) - 8;
}

struct Model {
  VisionTransformer model;
  Graph graph;

  explicit Model(const ViTConfig& config, Generator generator = Generator(1))
      : model(config, generator) {
    model.eval();
    graph = capture(model);
  }
  void save(const std::string& path, const std::string& dtype, int64_t group) const {
    save_coded_model(path, model.config, graph,
                     weight_only(graph, {.bits = dtype == "w4" ? 4 : 8, .group_size = group}),
                     dtype, group, {{"note", "kept"}});
  }
};

const Tensor& images() {
  static const Tensor all = random_tensor({12, 8, 8, 1}, 5, DType::f32);
  return all;
}

// The message of the file error that a changed file gives.
std::string refusal_of_file(const std::function<void(TensorFile&)>& change) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m");
  Model(small_config("conv", "class")).save(path, "w4", 6);
  TensorFile file = load_safetensors(path);
  change(file);
  save_safetensors(path, file.tensors, file.metadata);
  try {
    load_model(path);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::file);
    return error.what();
  }
  return "none";
}

Tensor& tensor_of(TensorFile& file, const std::string& name) {
  for (auto& [key, tensor] : file.tensors)
    if (key == name) return tensor;
  FAIL(name);
  return file.tensors.front().second;
}

}  // namespace

TEST_CASE("codes are the nearest of their group's, whose scale a file can hold") {
  const Tensor weight = random_tensor({5, 39}, 1, DType::f32, 0.2);
  for (int64_t k = 0; k < 39; ++k) weight.data<float>()[2 * 39 + k] = 0;
  for (const int bits : {8, 4})
    for (const int64_t group : {0, 8, 38}) {
      const NamedTensors made = weight_only(one_layer(weight), {.bits = bits, .group_size = group});
      const Tensor &codes = *find_named(made, "weight"),
                   &scales = *find_named(made, "weight_scale");
      const int64_t size = group ? group : 39, largest = bits == 8 ? 127 : 7;
      REQUIRE(scales.shape() == Shape{5, (39 + size - 1) / size});
      for (int64_t n = 0; n < 5; ++n)
        for (int64_t k = 0; k < 39; ++k) {
          INFO(bits, " bits, group ", group, " n ", n, " k ", k);
          const float scale = scales.data<float>()[n * scales.size(1) + k / size];
          CHECK(scale == cast_detail::to_float(cast_detail::to_float16(scale)));
          const float w = weight.data<float>()[n * 39 + k];
          const int code = code_at(codes, n, k);
          REQUIRE(std::abs(code) <= largest);
          // Half a step, and a rounding of the quotient; an end may stand for what lies beyond.
          const double error = std::abs(static_cast<double>(w) - code * static_cast<double>(scale));
          if (std::abs(code) < largest)
            CHECK(error <= static_cast<double>(scale) * (0.5 + 64 * epsilon));
        }
    }
}

TEST_CASE("a scale of 4 bits is the best of those that were tried") {
  // Fourteen values on a grid, one far out: clipping it serves the others.
  std::vector<float> values(32, 0.0f);
  for (size_t i = 0; i < 31; ++i) values[i] = 0.1f * static_cast<float>(i % 15) - 0.7f;
  values[31] = 0.95f;
  const NamedTensors made =
      weight_only(one_layer(Tensor::of(values, {1, 32})), {.bits = 4, .group_size = 32});
  CHECK(find_named(made, "weight_scale")->data<float>()[0] < 0.95f / 7 * 0.9f);
}

TEST_CASE("weight_only refuses what codes cannot stand for") {
  const auto refusal = [](const WeightOnlyOptions& how) {
    return refusal_of([&] { weight_only(one_layer(random_tensor({2, 4}, 1, DType::f32)), how); });
  };
  CHECK(contains(refusal({.bits = 5}), "bits"));
  CHECK(contains(refusal({.bits = 4, .group_size = 3}), "even"));
  CHECK(contains(refusal({.bits = 8, .group_size = -1}), "group_size"));
  for (const float bad : {HUGE_VALF, -NAN, 1e6f}) {
    const Tensor weight = random_tensor({2, 4}, 1, DType::f32);
    weight.data<float>()[5] = bad;
    CHECK_THROWS_WITH_AS(weight_only(one_layer(weight), {}), doctest::Contains("binary16"), Error);
  }
}

TEST_CASE("a file of coded weights runs as the graph that was saved, in every engine") {
  const TemporaryFolder folder;
  struct Case {
    const char* dtype;
    int group;
    double least_signal;
  };
  for (const Case& at : {Case{"w8", 0, 30}, Case{"w8", 10, 30}, Case{"w4", 6, 10}}) {
    const char* dtype = at.dtype;
    const int group = at.group;
    const double least_signal = at.least_signal;
    INFO(dtype, " ", group);
    const Model m(ragged_config());
    const std::string path = folder.file("m");
    m.save(path, dtype, group);
    LoadedModel loaded = load_model(path);
    CHECK(loaded.dtype == dtype);
    CHECK(!loaded.model);
    CHECK(loaded.metadata.at("note") == "kept");
    CHECK(loaded.metadata.at(group_size_key) == std::to_string(group));
    const Tensor logits = compile(loaded.graph, loaded.options)(images());
    CHECK(fidelity(logits, compile(m.graph)(images())).signal_to_noise > least_signal);
    int coded = 0;
    for (const Graph::Node& node : loaded.graph.nodes) {
      CHECK(std::string(node.op->name) != "linear");
      coded += std::string(node.op->name) == "linear_wq";
    }
    CHECK(coded == 4 * 2 + 1);
    const ReadModel read = read_back(onnx_model(loaded));
    const auto other = OnnxRunner(read).run(images()).to_vector();
    double largest = 0;
    for (const double v : logits.to_vector()) largest = std::max(largest, std::abs(v));
    // Chains of at most 64 * 3 * 3 terms in another order, a dozen layers deep.
    check_close(other, logits.to_vector(),
                [&](size_t) { return 12 * 576 * epsilon * std::max(1.0, largest); });
  }
}

TEST_CASE("a dynamic file has the layout of w8 and rounds activations too") {
  const TemporaryFolder folder;
  const Model m(ragged_config());
  m.save(folder.file("w8"), "w8", 0);
  m.save(folder.file("dynamic"), "dynamic", 0);
  const TensorFile w8 = load_safetensors(folder.file("w8"));
  const TensorFile dynamic = load_safetensors(folder.file("dynamic"));
  REQUIRE(w8.tensors.size() == dynamic.tensors.size());
  for (const auto& [name, tensor] : w8.tensors)
    CHECK(to(dynamic.at(name), DType::f32).to_vector() == to(tensor, DType::f32).to_vector());
  const LoadedModel loaded = load_model(folder.file("dynamic"));
  CHECK(loaded.dtype == "dynamic");
  const Tensor logits = compile(loaded.graph, loaded.options)(images());
  CHECK(logits.to_vector() == replay(loaded.graph, images()).to_vector());
  CHECK(fidelity(logits, compile(m.graph)(images())).signal_to_noise > 30);
  for (const Graph::Node& node : loaded.graph.nodes)
    CHECK(!std::string(node.op->name).starts_with("linear_w"));
  CHECK(contains(refusal_of([&] { onnx_model(loaded); }), "export the fp32 model"));
  save_coded_model(folder.file("w4"), m.model.config, m.graph, weight_only(m.graph, {.bits = 4}),
                   "dynamic", 0);
  CHECK_THROWS_WITH_AS(load_model(folder.file("w4")), doctest::Contains("expected dtype s8"),
                       Error);
}

TEST_CASE("files of coded weights that do not fit are refused in one line") {
  const std::string name = "blocks.0.mlp.fc1.weight";
  const auto refused = [](const std::function<void(TensorFile&)>& change, const char* part) {
    const std::string message = refusal_of_file(change);
    INFO(message);
    CHECK(contains(message, part));
    CHECK(!contains(message, "\n"));
  };
  refused([](TensorFile&) {}, "none");
  const auto half = [](const Shape& shape, double value, DType dtype = DType::f16) {
    return to(Tensor::full(shape, value), dtype);
  };
  const auto put = [&](const std::string& where, const Tensor& tensor) {
    return [=](TensorFile& file) { tensor_of(file, where) = tensor; };
  };
  refused(put(name, Tensor::zeros({24, 9}, DType::u8)), "codes");
  refused(put(name, Tensor::zeros({25, 8}, DType::u8)), "scales");
  refused(put(name, Tensor::zeros({24, 8}, DType::s16)), "codes");
  refused(put(name + "_scale", half({24, 2}, 1)), "scales");
  refused(put(name + "_scale", half({24, 3}, 0)), "positive");
  refused(put(name + "_scale", half({24, 3}, NAN)), "positive");
  refused(put(name + "_scale", half({24, 3}, 1, DType::bf16)), "scales");
  refused(put("blocks.0.norm1.weight", Tensor::zeros({16}, DType::s8)), "only the weights");
  refused(put("blocks.0.norm1.weight", half({16}, 0, DType::bf16)), "only the weights");
  refused(put("blocks.0.norm1.weight", half({15}, 0)), "blocks.0.norm1.weight");
  refused([&](TensorFile& file) { file.tensors.pop_back(); }, "no '");
  refused(
      [&](TensorFile& file) {
        tensor_of(file, name + "_scale") = Tensor::zeros({24, 0});
      },
      "scales");
  refused([](TensorFile& file) { file.metadata[group_size_key] = "-6"; }, "group");
  refused([](TensorFile& file) { file.metadata[group_size_key] = "5"; }, "even");
  refused([](TensorFile& file) { file.metadata[group_size_key] = "many"; }, "expected a number");
  refused([](TensorFile& file) { file.metadata[group_size_key] = "99999999999999999999"; },
          "scales");
  refused(
      [&](TensorFile& file) {
        for (auto& [key, tensor] : file.tensors)
          if (key == name + "_scale") key = "other";
      },
      "_scale");
}

}  // namespace espalier::test
