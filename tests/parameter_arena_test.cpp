#include "nn/optim/parameter_arena.h"

#include <doctest/doctest.h>

#include <cstdint>

#include "engine/autograd.h"
#include "engine/ops/softmax.h"
#include "engine/ops/view.h"
#include "nn/optim/adamw.h"
#include "nn/optim/ema.h"

namespace espalier::test {
namespace {

Tensor counting(const Shape& shape, double first = 0) {
  const Tensor x = Tensor::empty(shape);
  for (int64_t i = 0; i < x.numel(); ++i)
    x.data<float>()[i] = static_cast<float>(first + static_cast<double>(i));
  return x.set_requires_grad();
}

// A matrix, a bias, a frozen matrix, a matrix that learns slowly and one without decay.
NamedTensors five() {
  return {{"bias", counting({3}, 100)},
          {"frozen", counting({2, 2}, 200)},
          {"matrix", counting({4, 5}, 300)},
          {"slow", counting({1, 17}, 400)},
          {"last.bias", counting({1}, 500)}};
}

ParameterOptions by_name(const std::string& name, const Tensor& parameter) {
  ParameterOptions options = decay_matrices(name, parameter);
  options.frozen = name == "frozen";
  options.lr_scale = name == "slow" ? 0.5 : 1.0;
  return options;
}

std::vector<double> values_of(const NamedTensors& tensors, const std::string& name) {
  for (const auto& entry : tensors)
    if (entry.first == name) return entry.second.to_vector();
  return {};
}

}  // namespace

TEST_CASE("parameters keep their values and become aligned views of the arena") {
  const NamedTensors parameters = five();
  std::vector<std::vector<double>> before;
  for (const auto& entry : parameters) before.push_back(entry.second.to_vector());
  const ParameterArena arena(parameters, by_name);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Tensor& parameter = parameters[i].second;
    CHECK(parameter.to_vector() == before[i]);
    CHECK(parameter.storage() == arena.values().storage());
    CHECK(reinterpret_cast<uintptr_t>(parameter.bytes()) % 64 == 0);
    CHECK(parameter.grad().storage() == arena.gradients().storage());
    CHECK(parameter.requires_grad() == (parameters[i].first != "frozen"));
  }
  double sum = 0;
  for (double v : arena.values().to_vector()) sum += v;
  CHECK(sum == 303 + 806 + 6190 + 6936 + 500);  // the gaps are zeros
}

TEST_CASE("parameters treated alike stand in one segment") {
  const ParameterArena arena(five(), by_name);
  std::vector<std::string> order;
  for (const auto& slot : arena.slots()) order.push_back(slot.name);
  CHECK(order == std::vector<std::string>{"slow", "matrix", "bias", "last.bias", "frozen"});
  const auto& segments = arena.segments();
  REQUIRE(segments.size() == 4);
  CHECK(segments[0].options.lr_scale == 0.5);
  CHECK(segments[1].options.decay);
  CHECK(!segments[2].options.decay);
  CHECK(segments[2].end - segments[2].begin == 32);
  CHECK(segments[3].options.frozen);
  CHECK(segments[0].begin == 0);
  CHECK(segments[3].end == arena.size());
  for (size_t i = 1; i < segments.size(); ++i) CHECK(segments[i].begin == segments[i - 1].end);
}

TEST_CASE("gradients arrive in the arena, by grad() and by a sink") {
  const Tensor x = counting({3}), y = counting({2});
  const ParameterArena arena({{"x", x}, {"y", y}});
  const auto run = [&](const GradientSink* sink) {
    backward(softmax(x), {.seed = Tensor::of<float>({1, 0, 0}, {3}), .sink = sink});
  };
  run(nullptr);
  const auto once = x.grad().to_vector();
  CHECK(once[0] != 0);
  CHECK(arena.gradients().to_vector()[static_cast<size_t>(x.arena_offset())] == once[0]);
  const GradientSink sink{Tensor::zeros({arena.size()})};
  run(&sink);
  CHECK(sink.arena.to_vector() == arena.gradients().to_vector());
  run(nullptr);
  CHECK(x.grad().to_vector()[0] == 2 * once[0]);
  arena.zero_gradients();
  CHECK(x.grad().to_vector() == std::vector<double>(3, 0.0));
}

TEST_CASE("a tensor under two names takes one slot") {
  const Tensor tied = counting({4});
  const ParameterArena arena({{"a", tied}, {"b", tied}});
  REQUIRE(arena.slots().size() == 1);
  CHECK(arena.slots()[0].name == "a");
}

TEST_CASE("the arena refuses what cannot be a parameter") {
  CHECK_THROWS_AS(ParameterArena(NamedTensors{}), Error);
  CHECK_THROWS_AS(ParameterArena({{"a", Tensor()}}), Error);
  CHECK_THROWS_AS(ParameterArena({{"a", Tensor::zeros({2}, DType::s64)}}), Error);
  CHECK_THROWS_AS(ParameterArena({{"a", counting({2})}, {"a", counting({2})}}), Error);
  CHECK_THROWS_AS(ParameterArena({{"a", counting({2})}, {"b", Tensor::zeros({2}, DType::f64)}}),
                  Error);
  CHECK_THROWS_AS(ParameterArena({{"a", softmax(counting({2}))}}), Error);
  ParameterArena arena(five());
  arena.add_companion("moment");
  CHECK_THROWS_AS(arena.add_companion("moment"), Error);
}

TEST_CASE("rebuild moves weights, moments and averages along the kept indices") {
  AdamW optimizer(five(), {.lr = 0.1}, by_name);
  WeightAverage average(optimizer.arena(), 0.5);
  for (int step = 0; step < 3; ++step) {
    optimizer.arena().gradients().fill_(1 + step);
    for (const auto& slot : optimizer.arena().slots())
      slot.parameter.grad().data<float>()[0] = -1;  // so that moments differ within a slot
    optimizer.step(&average);
  }
  const auto old_weights =
      values_of(optimizer.arena().views_of(optimizer.arena().values()), "matrix");
  const NamedTensors old_state = optimizer.state_dict();

  const NamedTensors pruned = {{"matrix", counting({2, 3})},
                               {"bias", counting({2})},
                               {"slow", counting({1, 17})},
                               {"fresh", counting({2}, 7)}};
  optimizer.rebuild(pruned, {{"matrix", {{{0, 2}}, {{4, 0, 1}}}}, {"bias", {{{2, 0}}}}});

  const std::vector<size_t> matrix_source = {4, 0, 1, 14, 10, 11}, bias_source = {2, 0};
  const auto picked = [](const std::vector<double>& from, const std::vector<size_t>& source) {
    std::vector<double> out;
    for (size_t i : source) out.push_back(from[i]);
    return out;
  };
  CHECK(pruned[0].second.to_vector() == picked(old_weights, matrix_source));
  CHECK(pruned[0].second.storage() == optimizer.arena().values().storage());
  CHECK(pruned[3].second.to_vector() == std::vector<double>{7, 8});
  const NamedTensors state = optimizer.state_dict();
  for (const std::string companion : {"exp_avg.", "exp_avg_sq.", "average."}) {
    INFO(companion);
    CHECK(values_of(state, companion + "matrix") ==
          picked(values_of(old_state, companion + "matrix"), matrix_source));
    CHECK(values_of(state, companion + "bias") ==
          picked(values_of(old_state, companion + "bias"), bias_source));
    CHECK(values_of(state, companion + "slow") == values_of(old_state, companion + "slow"));
    CHECK(values_of(state, companion + "frozen").empty());
  }
  CHECK(values_of(state, "exp_avg.fresh") == std::vector<double>{0, 0});
  CHECK(values_of(state, "step") == std::vector<double>{3});
  CHECK(optimizer.arena().gradients().to_vector() ==
        std::vector<double>(static_cast<size_t>(optimizer.arena().size()), 0.0));
  optimizer.arena().gradients().fill_(1);
  optimizer.step(&average);  // and it goes on
  CHECK(pruned[0].second.to_vector() != picked(old_weights, matrix_source));
}

TEST_CASE("rebuild refuses a map that does not fit, and touches nothing") {
  const NamedTensors parameters = five();
  ParameterArena arena(parameters);
  const auto before = arena.values().to_vector();
  const auto refuse = [&](const Tensor& matrix, const IndexMap& kept) {
    CHECK_THROWS_AS(arena.rebuild({{"matrix", matrix}}, kept), Error);
    CHECK(arena.values().to_vector() == before);
    CHECK(parameters[2].second.storage() == arena.values().storage());
  };
  refuse(counting({2, 5}), {});
  refuse(counting({2, 5}), {{"matrix", {{{0, 4}}, {}}}});
  refuse(counting({2, 5}), {{"matrix", {{{0, -1}}, {}}}});
  refuse(counting({2, 5}), {{"matrix", {{{0, 1}}}}});
  refuse(counting({3, 5}), {{"matrix", {{{0, 1}}, {}}}});
  refuse(counting({4, 5}), {{"bias", {{{0}}}}});
  refuse(counting({4, 5}), {{"nothing", {{{0}}}}});
}

}  // namespace espalier::test
