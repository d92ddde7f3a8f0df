// Adapters: they start as nothing, compute what their equation says, and alone learn.
#include "nn/adapter.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/cross_entropy.h"
#include "engine/plan.h"
#include "nn/optim/adamw.h"
#include "tests/small_vit.h"

using namespace espalier;
using namespace espalier::test;

TEST_CASE("adapters change nothing until they learn") {
  for (const char* pooling : {"sequence", "class"}) {
    const auto model = small_vit(pooling);
    model->eval();
    Generator generator(3);
    const Tensor images = normal({5, 8, 8, 1}, generator);
    const NoGradGuard off_the_tape;
    const std::vector<double> before = (*model)(images).to_vector();
    const int64_t parameters = model->parameter_count();
    add_adapters(*model, 3, generator);
    // Two in one block: down and up, with their biases.
    CHECK(model->parameter_count() - parameters == 2 * (16 * 3 + 3 + 3 * 16 + 16));
    CHECK((*model)(images).to_vector() == before);

    for (const auto& [name, tensor] : model->named_parameters())
      if (name.find(".up.") != std::string::npos)
        tensor.copy_(normal(tensor.shape(), generator, 0.5));
    const std::vector<double> after = (*model)(images).to_vector();
    double moved = 0;
    for (size_t i = 0; i < before.size(); ++i)
      moved = std::max(moved, std::abs(after[i] - before[i]));
    CHECK(moved > 0.01);
    Plan plan = compile(capture(*model));
    const std::vector<double> planned = plan(images).to_vector();
    double largest = 0;
    for (double value : after) largest = std::max(largest, std::abs(value));
    // Each sum may be in another order: as many terms as the layers on the way are wide.
    const double bound =
        std::numeric_limits<float>::epsilon() * (4 * 16 + 16 + 2 * (16 + 3)) * (1 + largest);
    for (size_t i = 0; i < after.size(); ++i) CHECK(std::abs(planned[i] - after[i]) <= bound);
  }
}

TEST_CASE("an adapter is x + gelu(x D + d) U + u") {
  Generator generator(4);
  const Adapter adapter(2, 1, generator);
  const auto fill = [&](const std::string& name, const std::vector<float>& values) {
    for (const auto& [own, tensor] : adapter.named_parameters())
      if (own == name) tensor.copy_(Tensor::of(values, tensor.shape()));
  };
  fill("down.weight", {0.5f, -1});
  fill("down.bias", {0.25f});
  fill("up.weight", {2, -3});
  fill("up.bias", {0.125f, 1});
  const std::vector<double> y = adapter(Tensor::of<float>({1, 0.5f}, {1, 1, 2})).to_vector();
  const double hidden = 0.5 * 1 - 1 * 0.5 + 0.25;
  const double bent = hidden * 0.5 * (1 + std::erf(hidden / std::sqrt(2.0)));
  const double eps = std::numeric_limits<float>::epsilon();
  CHECK(std::abs(y[0] - (1 + 2 * bent + 0.125)) <= 8 * eps);
  CHECK(std::abs(y[1] - (0.5 - 3 * bent + 1)) <= 8 * eps);
}

TEST_CASE("gradients flow to adapters, norms and head, and to nothing else") {
  const auto model = small_vit();
  Generator generator(5);
  add_adapters(*model, 3, generator);
  AdamW optimizer(model->named_parameters(), {}, adapters_and_head);
  const Tensor images = normal({4, 8, 8, 1}, generator);
  backward(cross_entropy((*model)(images), Tensor::of<int64_t>({0, 1, 2, 3}, {4})));
  for (const auto& slot : optimizer.arena().slots()) {
    const std::string& name = slot.name;
    INFO(name);
    const bool learns = name.find("_adapter.") != std::string::npos ||
                        name.find("norm") != std::string::npos || name.starts_with("head.");
    CHECK(slot.options.frozen == !learns);
    double largest = 0;
    if (slot.parameter.grad().defined())
      for (double value : slot.parameter.grad().to_vector())
        largest = std::max(largest, std::abs(value));
    // Behind an "up" of zeros nothing reaches "down" in the first step.
    const bool reached = learns && name.find(".down.") == std::string::npos;
    CHECK((largest > 0) == reached);
  }
}

TEST_CASE("adapters are refused twice, and without a width") {
  const auto model = small_vit();
  Generator generator(6);
  CHECK_THROWS_WITH_AS(add_adapters(*model, 0, generator),
                       "Adapter: bottleneck is 0; expected at least 1", Error);
  add_adapters(*model, 2, generator);
  CHECK_THROWS_WITH_AS(
      add_adapters(*model, 2, generator),
      "EncoderBlock::add_adapters: block is adapted already; expected a block without", Error);
}
