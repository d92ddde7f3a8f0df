// Low-rank adapters: they start as nothing, and go into the weights without a trace.
#include "nn/lora.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "engine/autograd.h"
#include "engine/error.h"

using namespace espalier;

namespace {

const ViTConfig shape{.image_size = 8,
                      .classes = 3,
                      .conv_channels = {4},
                      .width = 16,
                      .depth = 2,
                      .heads = 2,
                      .mlp_hidden = 24};

double largest(const std::vector<double>& values) {
  double most = 0;
  for (double value : values) most = std::max(most, std::abs(value));
  return most;
}

}  // namespace

TEST_CASE("adapters change nothing until they learn, and merge into the weights") {
  Generator generator(3);
  VisionTransformer model(shape, generator);
  model.eval();
  const Tensor images = normal({5, 8, 8, 1}, generator);
  const NoGradGuard off_the_tape;
  const std::vector<double> before = model(images).to_vector();
  const int64_t parameters = model.parameter_count();
  add_lora(model, {.rank = 2, .alpha = 6}, generator);
  // In and out of qkv, proj, fc1 and fc2 of both blocks.
  CHECK(model.parameter_count() - parameters == 2 * 2 * (16 + 48 + 16 + 16 + 16 + 24 + 24 + 16));
  CHECK(model(images).to_vector() == before);

  for (const auto& [name, tensor] : model.named_parameters())
    if (name.ends_with("lora_b")) tensor.copy_(normal(tensor.shape(), generator, 0.1));
  const std::vector<double> adapted = model(images).to_vector();
  double moved = 0;
  for (size_t i = 0; i < before.size(); ++i)
    moved = std::max(moved, std::abs(adapted[i] - before[i]));
  CHECK(moved > 0.01);

  const auto merged = merge_lora(model);
  CHECK(merged->parameter_count() == parameters);
  const std::vector<double> after = (*merged)(images).to_vector();
  // Each sum of a block is rounded in another order: as many terms as its layers are wide.
  const double terms = 2 * (16 + 16 + 16 + 24);
  const double bound = std::numeric_limits<float>::epsilon() * terms * largest(adapted);
  for (size_t i = 0; i < after.size(); ++i) CHECK(std::abs(after[i] - adapted[i]) <= bound);
}

TEST_CASE("of an adapted model adapters and head learn, and nothing else") {
  Generator generator(4);
  VisionTransformer model(shape, generator);
  add_lora(model, {}, generator);
  for (const auto& parameter : model.named_parameters()) {
    const std::string& name = parameter.first;
    const bool learns = name.find("lora_") != std::string::npos || name.starts_with("head.");
    CHECK_MESSAGE(lora_and_head(name, parameter.second).frozen == !learns, name);
  }
}

TEST_CASE("adapters are refused twice, and without a rank") {
  Generator generator(5);
  VisionTransformer model(shape, generator);
  CHECK_THROWS_WITH_AS(add_lora(model, {.rank = 0}, generator),
                       "add_lora: rank is 0; expected at least 1", Error);
  add_lora(model, {}, generator);
  CHECK_THROWS_WITH_AS(add_lora(model, {}, generator),
                       "Linear::add_low_rank: layer is adapted already; expected a layer without",
                       Error);
}
