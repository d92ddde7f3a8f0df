// Capture: what a function calls, as a graph.
#include "engine/capture.h"

#include "engine/ops/binary.h"
#include "engine/ops/gelu.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"
#include "engine/ops/reduce.h"
#include "engine/ops/relu.h"
#include "engine/ops/view.h"
#include "tests/gradient_test.h"
#include "tests/refusal.h"

namespace espalier::test {
namespace {

std::vector<std::string> names_of(const Graph& graph) {
  std::vector<std::string> names;
  for (const Graph::Node& node : graph.nodes) names.push_back(node.op->name);
  return names;
}

const Graph::Value& value(const Graph& graph, int number) {
  return graph.values[static_cast<size_t>(number)];
}

// The message of the argument error that capturing `function` over [B, 4] throws.
std::string refusal(const std::function<Tensor(const Tensor&)>& function) {
  return refusal_of([&] { capture(function, {4}, {}); });
}

}  // namespace

TEST_CASE("a capture holds the calls, the constants and every dimension as a line in the batch") {
  const Tensor weight = random_tensor({3, 4}, 1, DType::f32);
  const Graph graph = capture(
      [&](const Tensor& x) {
        const Tensor y = relu(linear(x, weight));
        return reshape(add(y, 2.0), {-1});
      },
      {5, 4}, {{"layer.weight", weight}});
  CHECK(names_of(graph) == std::vector<std::string>{"linear", "relu", "add", "reshape"});
  const Graph::Node& linear_node = graph.nodes[0];
  CHECK(linear_node.inputs[0] == graph.input);
  CHECK(linear_node.inputs[2] == Graph::absent);
  CHECK(value(graph, linear_node.inputs[1]).name == "layer.weight");
  CHECK(value(graph, linear_node.inputs[1]).constant.same(weight));
  CHECK(value(graph, graph.nodes[2].inputs[1]).constant.item() == 2);
  CHECK(value(graph, graph.input).shape == BatchShape{{1, 0}, {0, 5}, {0, 4}});
  CHECK(value(graph, graph.output).shape == BatchShape{{15, 0}});
  CHECK(shape_at(value(graph, graph.output).shape, 7) == Shape{105});
  const Graph::Attribute& shape = graph.nodes[3].attributes[0];
  CHECK(std::string(shape.name) == "shape");
  CHECK(std::get<BatchShape>(shape.value) == BatchShape{{15, 0}});
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    CHECK(value(graph, graph.nodes[i].output).producer == static_cast<int>(i));
}

TEST_CASE("a node's cost is its operation's, for any batch, and a view has none") {
  const Tensor weight = random_tensor({3, 4}, 1, DType::f32);
  const Graph graph =
      capture([&](const Tensor& x) { return reshape(linear(x, weight), {-1}); }, {5, 4}, {});
  const NodeCost cost = cost_of(graph, graph.nodes[0], 10);
  CHECK(cost.flops == 2 * (10 * 5) * 4 * 3);
  CHECK(cost.bytes_read == 4 * (10 * 5 * 4 + 3 * 4));
  CHECK(cost.bytes_written == 4 * (10 * 5 * 3));
  const NodeCost view = cost_of(graph, graph.nodes[1], 10);
  CHECK(view.flops + view.bytes_read + view.bytes_written == 0);
}

TEST_CASE("an operation that calls others is captured as itself, and idle work is left out") {
  const Graph graph = capture(
      [](const Tensor& x) {
        relu(x);
        return argmax(x, 1);
      },
      {5, 4}, {});
  CHECK(names_of(graph) == std::vector<std::string>{"argmax"});
}

TEST_CASE("parameters of one memory are told apart, views of them too") {
  const Tensor arena = random_tensor({8}, 1, DType::f32);
  const Tensor a = arena.as_strided({1, 4}, {4, 1}, 0), b = arena.as_strided({4}, {1}, 4);
  const Graph graph = capture([&](const Tensor& x) { return add(add(x, reshape(a, {4})), b); }, {4},
                              {{"a", a}, {"b", b}});
  CHECK(names_of(graph) == std::vector<std::string>{"reshape", "add", "add"});
  CHECK(value(graph, graph.nodes[0].inputs[0]).name == "a");
  CHECK(value(graph, graph.nodes[2].inputs[1]).name == "b");
}

TEST_CASE("layers are the modules that are open when an operation is called") {
  const Graph graph = capture(
      [](const Tensor& x) {
        const LayerScope outer("blocks.0");
        const Tensor y = relu(x);
        const LayerScope inner("mlp");
        return add(y, x);
      },
      {4}, {});
  CHECK(graph.nodes[0].layer == "blocks.0");
  CHECK(graph.nodes[1].layer == "blocks.0.mlp");
}

TEST_CASE("what no graph can say is refused, and capture works again afterwards") {
  CHECK(contains(refusal([](const Tensor& x) { return sum(x).item() > 0 ? relu(x) : x; }), "item"));
  CHECK(contains(refusal([](const Tensor& x) { return relu(relu(x).detach()); }), "detach"));
  CHECK(contains(refusal([](const Tensor& x) { return x; }), "no operation"));
  CHECK(contains(refusal([](const Tensor& x) { return x.size(0) == 2 ? relu(x) : add(x, x); }),
                 "operations that change"));
  CHECK(contains(refusal([](const Tensor& x) { return add(x, static_cast<double>(x.size(0))); }),
                 "constant"));
  CHECK(contains(refusal([](const Tensor& x) { return add(x, Tensor::zeros(x.shape())); }),
                 "constant"));
  CHECK(contains(refusal([](const Tensor& x) {
                   const Tensor kept = Tensor::zeros({4}), t = Tensor::zeros({4});
                   kept.copy_(select(x, 0, 0));
                   t.copy_(kept);
                   return add(x, t);
                 }),
                 "copy_()"));
  CHECK(contains(refusal([](const Tensor& x) {
                   capture([](const Tensor& y) { return relu(y); }, {4}, {});
                   return x;
                 }),
                 "during a capture"));
  CHECK(capture([](const Tensor& x) { return relu(x); }, {4}, {}).nodes.size() == 1);
}

// Batches 2 and 3 are joined; what only batch 5 does otherwise is told too.
TEST_CASE("what no graph can say is refused where the first two runs agree") {
  const Tensor row = Tensor::full({4}, 1.0), like = Tensor::full({4}, 1.0);
  CHECK(contains(refusal([](const Tensor& x) { return mul(x, x.size(0) < 4 ? 2.0 : 3.0); }),
                 "constant"));
  CHECK(contains(refusal_of([&] {
                   capture([&](const Tensor& x) { return mul(x, x.size(0) < 4 ? row : like); }, {4},
                           {{"row", row}, {"like", like}});
                 }),
                 "constant"));
  CHECK(contains(refusal([](const Tensor& x) {
                   const int64_t B = x.size(0);
                   return B < 4 ? reshape(x, {B, 4, 1}) : reshape(x, {B, 4});
                 }),
                 "rank"));
  CHECK(contains(refusal([&](const Tensor& x) {
                   return layer_norm(x, row, row, x.size(0) < 4 ? 1e-5 : 1e-4);
                 }),
                 "attribute eps"));
  CHECK(contains(refusal([](const Tensor& x) {
                   return gelu(x, x.size(0) < 4 ? GeluKind::erf : GeluKind::tanh);
                 }),
                 "attribute form"));
}

TEST_CASE("what grows with the square of the batch is refused") {
  const auto square = [](const Tensor& x) {
    return sum(mul(reshape(x, {x.size(0), 1, 4}), reshape(x, {1, x.size(0), 4})));
  };
  CHECK(names_of(capture(square, {4}, {})).back() == "sum");
  const auto flattened = [](const Tensor& x) {
    return reshape(mul(reshape(x, {x.size(0), 1, 4}), reshape(x, {1, x.size(0), 4})), {-1});
  };
  CHECK(contains(refusal(flattened), "curves"));
}

}  // namespace espalier::test
