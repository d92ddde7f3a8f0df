// Prompts: which are chosen, where they stand, and what learns.
#include "nn/prompts.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/binary.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/view.h"
#include "nn/optim/adamw.h"
#include "tests/small_vit.h"

using namespace espalier;
using namespace espalier::test;

namespace {

// Four keys: +x, -x, +y and halfway between +x and +y, of other lengths.
void set_keys(const PromptedTransformer& model) {
  std::vector<float> keys(4 * 16);
  keys[0] = 2, keys[16] = -1, keys[2 * 16 + 1] = 0.5f, keys[3 * 16] = keys[3 * 16 + 1] = 3;
  model.keys.copy_(Tensor::of(keys, {4, 16}));
}

std::unique_ptr<PromptedTransformer> prompted(const std::string& pooling = "sequence") {
  Generator generator(7);
  auto model = std::make_unique<PromptedTransformer>(
      small_vit(pooling), PromptOptions{.pool = 4, .length = 2, .chosen = 2}, generator);
  set_keys(*model);
  model->eval();
  return model;
}

// Two rows that enter stage 1: queries (3, 0, ...) and (1, 2, 0, ...) before the tokens.
Tensor two_rows(int64_t tokens) {
  Generator generator(8);
  const Tensor x = normal({2, 1 + tokens, 16}, generator);
  float* values = x.data<float>();
  for (int64_t row = 0; row < 2; ++row) std::fill_n(values + row * (1 + tokens) * 16, 16, 0.0f);
  values[0] = 3;
  values[(1 + tokens) * 16] = 1;
  values[(1 + tokens) * 16 + 1] = 2;
  return x;
}

}  // namespace

TEST_CASE("the prompts whose keys are nearest by angle are chosen, and pulled to the query") {
  const auto model = prompted();
  const Tensor x = two_rows(4);
  // Cosines 1, -1, 0, sqrt(1/2); and 1/sqrt(5), -, 2/sqrt(5), 3/sqrt(10).
  CHECK(model->choice(x).to_vector() == std::vector<double>{0, 3, 3, 2});
  const double first = 1 - 1 + 1 - std::sqrt(0.5);
  const double second = 1 - 3 / std::sqrt(10.0) + 1 - 2 / std::sqrt(5.0);
  CHECK(std::abs(model->pull(x).detach().item() - (first + second) / 2) <=
        32 * std::numeric_limits<float>::epsilon());
}

TEST_CASE("prompts stand before the tokens, and behind a class token") {
  for (const std::string pooling : {"sequence", "class"}) {
    const auto model = prompted(pooling);
    const int64_t first = pooling == "class";
    const Tensor x = two_rows(4);
    const NoGradGuard off_the_tape;
    const Tensor y = model->run_stages(x, 1, 2);
    REQUIRE(y.shape() == Shape{2, 2 * 2 + 4, 16});
    const auto same = [](const Tensor& a, const Tensor& b) {
      return a.to_vector() == b.to_vector();
    };
    CHECK(same(slice(y, 1, 0, first), slice(x, 1, 1, 1 + first)));
    CHECK(same(slice(y, 1, first + 4, 8), slice(x, 1, 1 + first, 5)));
    const Tensor of_first = select(slice(y, 1, first, first + 4), 0, 0);
    CHECK(same(slice(of_first, 0, 0, 2), select(model->prompts, 0, 0)));
    CHECK(same(slice(of_first, 0, 2, 4), select(model->prompts, 0, 3)));
  }
}

TEST_CASE("the query is what the network's head reads without prompts") {
  const auto model = prompted();
  Generator generator(9);
  const Tensor images = normal({3, 8, 8, 1}, generator);
  const NoGradGuard off_the_tape;
  CHECK(select(model->run_stages(images, 0, 1), 1, 0).to_vector() ==
        model->trunk().features(images).to_vector());
}

TEST_CASE("gradients flow to chosen prompts, their keys and the head, and to nothing else") {
  for (const std::string pooling : {"sequence", "class"}) {
    const auto model = prompted(pooling);
    AdamW optimizer(model->named_parameters(), {}, prompts_and_head);
    const Tensor x = two_rows(pooling == "class" ? 5 : 4);
    const Tensor logits = model->run_stages(x, 1, model->stages());
    backward(add(cross_entropy(logits, Tensor::of<int64_t>({0, 1}, {2})), model->pull(x)));
    for (const auto& slot : optimizer.arena().slots()) {
      INFO(slot.name);
      const bool learns =
          slot.name == "keys" || slot.name == "prompts" || slot.name.starts_with("trunk.head.");
      CHECK(slot.options.frozen == !learns);
      double largest = 0;
      if (slot.parameter.grad().defined())
        for (double value : slot.parameter.grad().to_vector())
          largest = std::max(largest, std::abs(value));
      CHECK((largest > 0) == learns);
    }
    for (const double value : select(model->prompts.grad(), 0, 1).to_vector()) CHECK(value == 0);
    for (const double value : select(model->keys.grad(), 0, 1).to_vector()) CHECK(value == 0);
  }
}

TEST_CASE("a pool of prompts refuses what chooses none") {
  Generator generator(10);
  const auto make = [&](const PromptOptions& options) {
    PromptedTransformer(small_vit(), options, generator);
  };
  CHECK_THROWS_WITH_AS(make({.pool = 2, .chosen = 3}),
                       "PromptedTransformer: chosen is 3; expected at most the 2 of the pool",
                       Error);
  CHECK_THROWS_WITH_AS(make({.length = 0}), "PromptedTransformer: length is 0; expected at least 1",
                       Error);
}
