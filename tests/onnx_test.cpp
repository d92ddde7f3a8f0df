// ONNX models: what is written is read back and run, operator by operator, against the original.
#include "engine/io/onnx.h"

#include "engine/ops/attention.h"
#include "engine/ops/dropout.h"
#include "engine/ops/gelu.h"
#include "engine/ops/linear.h"
#include "nn/model_file.h"
#include "tests/gradient_test.h"
#include "tests/onnx_runner.h"
#include "tests/refusal.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

ReadModel written(const Unary& f, const Shape& sample, const NamedTensors& parameters = {}) {
  return read_back(onnx_model(capture(f, sample, parameters), "x", "y"));
}

// Both sides round each of `terms` additions, in another order.
void check_near(const Tensor& found, const Tensor& expected, int64_t terms) {
  REQUIRE(found.shape() == expected.shape());
  const auto a = contiguous(found).to_vector(), b = expected.to_vector();
  double largest = 1;
  for (double value : b) largest = std::max(largest, std::abs(value));
  const double bound =
      2 * static_cast<double>(terms) * std::numeric_limits<float>::epsilon() * largest;
  for (size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) <= bound);
}

// No sum has more terms than a sample has elements.
void check_same(const char* name, const Unary& f, const Shape& sample) {
  INFO(name);
  const NoGradGuard off;
  const ReadModel model = written(f, sample);
  for (int64_t batch : {1, 3}) {
    Shape shape{batch};
    for (int64_t dim : sample) shape.push_back(dim);
    const Tensor x = random_tensor(shape, static_cast<unsigned>(batch), DType::f32);
    check_near(OnnxRunner(model).run(x), contiguous(f(x)), sample.numel());
  }
}

std::unique_ptr<VisionTransformer> drawn_model(const ViTConfig& config) {
  Generator generator(1);
  auto model = std::make_unique<VisionTransformer>(config, generator);
  const NoGradGuard off;
  for (const auto& [name, tensor] : model->named_parameters())
    tensor.copy_(normal(tensor.shape(), generator, 0.2));
  model->eval();
  return model;
}

void check_model(ViTConfig config) {
  config.image_size = 12;
  const auto model = drawn_model(config);
  const NoGradGuard off;
  Generator generator(2);
  const Tensor images = normal(config.batch_shape(3), generator);
  // Relative errors of the sums add up along the residual stream.
  const int64_t terms = 2 * config.depth * std::max(config.width, config.mlp_hidden);
  check_near(OnnxRunner(read_back(onnx_model(*model))).run(images), (*model)(images), terms);
}

}  // namespace

TEST_CASE("ONNX: each operation means what it meant") {
  const Tensor weight = random_tensor({24, 12}, 1, DType::f32);
  const Tensor bias = random_tensor({24}, 2, DType::f32), row = random_tensor({12}, 3, DType::f32);
  const Tensor filter = random_tensor({5, 3, 2, 2}, 4, DType::f32);
  const Tensor filter_bias = random_tensor({5}, 5, DType::f32);
  check_same("linear", [&](const Tensor& x) { return linear(x, weight, bias); }, {7, 12});
  check_same("linear without bias", [&](const Tensor& x) { return linear(x, weight); }, {12});
  check_same("gelu", [](const Tensor& x) { return gelu(x); }, {7, 12});
  check_same("gelu tanh", [](const Tensor& x) { return gelu(x, GeluKind::tanh); }, {7, 12});
  check_same("relu", [](const Tensor& x) { return relu(x); }, {7, 12});
  check_same("softmax", [](const Tensor& x) { return softmax(x, -1); }, {7, 12});
  check_same("softmax over tokens", [](const Tensor& x) { return softmax(x, 1); }, {7, 12});
  check_same("layer_norm", [&](const Tensor& x) { return layer_norm(x, row, row, 0.1); }, {7, 12});
  check_same("attention", [](const Tensor& x) { return attention(x, 2); }, {9, 24});
  check_same("attention of some queries", [](const Tensor& x) { return attention(x, 2, 4); },
             {9, 24});
  check_same("attention of three",
             [](const Tensor& x) { return scaled_dot_product_attention(x, neg(x), exp(x)); },
             {2, 5, 8});
  check_same("conv2d", [&](const Tensor& x) { return conv2d(x, filter, filter_bias, 1, 1); },
             {6, 7, 2});
  check_same("conv2d in steps", [&](const Tensor& x) { return conv2d(x, filter, Tensor(), 3, 0); },
             {6, 9, 2});
  check_same("max_pool2d", [](const Tensor& x) { return max_pool2d(x, 3, 2, 1); }, {6, 7, 2});
  check_same("matmul", [](const Tensor& x) { return matmul(x, transpose(x, 1, 2)); }, {7, 12});
  check_same("cat",
             [&](const Tensor& x) {
               return cat({expand(reshape(row, {1, 1, 12}), {x.size(0), 1, 12}), x, x}, 1);
             },
             {7, 12});
}

TEST_CASE("ONNX: arithmetic, views and reductions mean what they meant") {
  const Shape sample{7, 12};
  const Tensor column = random_tensor({7, 1}, 2, DType::f32);
  check_same(
      "add", [&](const Tensor& x) { return add(x, column); }, sample);
  check_same(
      "sub", [](const Tensor& x) { return sub(2.0, x); }, sample);
  check_same(
      "mul, div", [&](const Tensor& x) { return div(mul(x, column), 3.0); }, sample);
  check_same(
      "maximum", [](const Tensor& x) { return maximum(x, neg(x)); }, sample);
  check_same(
      "minimum", [](const Tensor& x) { return minimum(x, 0.25); }, sample);
  check_same(
      "square root", [](const Tensor& x) { return sqrt(abs(x)); }, sample);
  check_same(
      "rsqrt", [](const Tensor& x) { return rsqrt(add(square(x), 1.0)); }, sample);
  check_same(
      "reciprocal", [](const Tensor& x) { return reciprocal(add(abs(x), 1.0)); }, sample);
  check_same(
      "log of exp", [](const Tensor& x) { return log(exp(x)); }, sample);
  check_same(
      "tanh, sigmoid", [](const Tensor& x) { return tanh(sigmoid(x)); }, sample);
  check_same(
      "slice", [](const Tensor& x) { return slice(x, 2, 3, 9); }, sample);
  check_same(
      "slice of all samples", [](const Tensor& x) { return neg(slice(x, 0, 0, x.size(0))); },
      sample);
  check_same(
      "permute",
      [](const Tensor& x) {
        return permute(x, {0, 2, 1});
      },
      sample);
  check_same(
      "contiguous",
      [](const Tensor& x) {
        return contiguous(permute(x, {0, 2, 1}));
      },
      sample);
  check_same(
      "reshape to one row", [](const Tensor& x) { return reshape(x, {-1}); }, sample);
  check_same(
      "reshape of samples",
      [](const Tensor& x) {
        return reshape(x, {x.size(0), 84});
      },
      sample);
  check_same(
      "sum", [](const Tensor& x) { return sum(x, {1}, true); }, sample);
  check_same(
      "mean",
      [](const Tensor& x) {
        return mean(x, {1, 2});
      },
      sample);
  check_same(
      "amax, amin", [](const Tensor& x) { return sub(amax(x, {2}), amin(x, {-1})); }, sample);
  check_same(
      "argmax", [](const Tensor& x) { return argmax(x, 2); }, sample);
}

TEST_CASE("ONNX: a whole model gives the model's logits") {
  check_model({.conv_channels = {8}, .width = 16, .depth = 2, .heads = 2, .mlp_hidden = 24});
  check_model({.tokenizer = "patch",
               .patch_size = 4,
               .conv_channels = {},
               .width = 16,
               .depth = 2,
               .heads = 4,
               .mlp_hidden = 24,
               .pooling = "class"});
  check_model({.conv_channels = {5, 7},
               .convs_per_pool = 2,
               .width = 13,
               .depth = 2,
               .mlp_hidden = 24,
               .blocks = {{3, 5, 9, 8}, {1, 7, 24, 8}},
               .pooling = "class"});
}

TEST_CASE("ONNX: names, shapes, weights and origin are in the file") {
  const auto model = drawn_model(named_config("vit-peer"));
  const ReadModel read = read_back(onnx_model(*model, {{"note", "\"quoted\"\n"}}));
  CHECK(read.ir_version == 8);
  CHECK(read.operator_set == 17);
  CHECK(read.producer == "espalier");
  CHECK(read.name == "vit-peer");
  CHECK(read.metadata.at("note") == "\"quoted\"\n");
  CHECK(read.metadata.at(config_key) == to_json(model->config));
  REQUIRE(read.inputs.size() == 1);
  CHECK(read.inputs[0].name == "images");
  CHECK(read.inputs[0].type == 1);
  CHECK(read.inputs[0].shape == std::vector<std::string>{"N", "28", "28", "1"});
  REQUIRE(read.outputs.size() == 1);
  CHECK(read.outputs[0].name == "logits");
  CHECK(read.outputs[0].shape == std::vector<std::string>{"N", "10"});
  for (const auto& parameter : model->named_parameters()) {
    INFO(parameter.first);
    REQUIRE(read.initializers.count(parameter.first));
    const Tensor stored = read.initializers.at(parameter.first), tensor = parameter.second;
    const bool product = tensor.rank() == 2;
    const Tensor expected = product              ? transpose(tensor, 0, 1)
                            : tensor.rank() == 4 ? permute(tensor, {0, 3, 1, 2})
                                                 : tensor;
    CHECK(stored.shape() == expected.shape());
    CHECK(stored.to_vector() == expected.to_vector());
  }
}

TEST_CASE("ONNX: the same model gives the same bytes, and a bad place leaves nothing behind") {
  const auto model = drawn_model(named_config("vit-tiny"));
  const TemporaryFolder folder;
  save_onnx(folder.file("a"), onnx_model(*model));
  save_onnx(folder.file("b"), onnx_model(*model));
  CHECK(read_text(folder.file("a")) == read_text(folder.file("b")));
  CHECK_THROWS_WITH_AS(save_onnx(folder.file("absent/model.onnx"), onnx_model(*model)),
                       doctest::Contains("cannot create"), Error);
}

TEST_CASE("ONNX: what clashes or repeats gets a name of its own") {
  const Tensor weight = random_tensor({4, 4}, 1, DType::f32);
  const ReadModel read = written(
      [&](const Tensor& x) { return add(add(linear(x, weight), matmul(x, weight)), weight); },
      {4, 4}, {{"x", weight}});
  CHECK(read.initializers.size() == 2);  // as it is, and transposed for the linear layer
  CHECK(read.initializers.count("x") == 0);
  CHECK(read.inputs[0].name == "x");
}

TEST_CASE("ONNX: what it cannot say is refused by name") {
  CHECK(contains(refused_export([](const Tensor& x) { return dropout(x, 0.5, true); }, {4}),
                 "export: dropout is an operation without an ONNX form"));
  CHECK(contains(refused_export([](const Tensor& x) { return maximum_share(x, neg(x)); }, {4}),
                 "maximum_share"));
}

TEST_CASE("ONNX: an operation outside the library brings its own form") {
  constexpr Op twice{.name = "twice", .onnx = [](OnnxWriter& w) {
                       w.out("Add", {w.in(0), w.in(0)});
                     }};
  check_same("twice", [&](const Tensor& x) { return record(twice, {}, {x}, mul(x, 2), nullptr); },
             {3});
}

TEST_CASE("ONNX: numbers that grow with the batch are refused where ONNX wants constants") {
  CHECK(contains(refused_export([](const Tensor& x) { return slice(x, 0, 0, x.size(0) - 1); }, {4}),
                 "slice is a number that grows with the batch"));
  CHECK(contains(refused_export([](const Tensor& x) { return linear(neg(x), exp(x)); }, {4}),
                 "linear is an operand that is computed from the input"));
  CHECK(contains(refused_export([](const Tensor& x) { return slice(x, 1, 2, 2); }, {4}),
                 "slice is a result without elements"));
  CHECK(contains(
      refused_export([](const Tensor& x) { return attention(transpose(x, 0, 1), 1); }, {3, 6}),
      "attention is a number that grows with the batch"));
}

TEST_CASE("ONNX: a strided initialiser and a model past 2 GiB are refused") {
  OnnxModel model;
  model.initializers = {{"w", transpose(Tensor::zeros({2, 3}), 0, 1)}};
  CHECK(contains(refusal_of([&] { save_onnx("/nowhere", model); }), "w is strided"));
  // No page of it is ever touched.
  float nothing = 0;
  model.initializers = {{"w", Tensor::from_blob(&nothing, {int64_t{1} << 30}, DType::f32)}};
  CHECK_THROWS_WITH_AS(save_onnx("/nowhere", model), doctest::Contains("at most 2147483647"),
                       Error);
}

}  // namespace espalier::test
