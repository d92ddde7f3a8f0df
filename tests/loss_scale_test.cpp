// Loss scaling: the rule of the scale, and that a power of two changes no bit of a step.
#include "nn/optim/loss_scale.h"

#include "engine/ops/cross_entropy.h"
#include "engine/ops/view.h"
#include "nn/optim/adamw.h"
#include "nn/optim/muon.h"
#include "nn/optim/sgd.h"
#include "nn/train_step.h"
#include "tests/refusal.h"
#include "tests/small_training.h"

namespace espalier::test {
namespace {

void take_finite_steps(LossScale& scale, int64_t count) {
  for (int64_t i = 0; i < count; ++i) scale.update(true);
}

// What a step of a new model leaves, its loss multiplied by `scale`.
struct ScaledStep {
  std::vector<double> gradients, weights, state;
  double norm;
};

std::unique_ptr<Optimizer> optimizer_of(const std::string& kind, const NamedTensors& parameters) {
  if (kind == "sgd") return std::make_unique<Sgd>(parameters, SgdOptions{.lr = 0.1});
  if (kind == "muon") return std::make_unique<Muon>(parameters);
  return std::make_unique<AdamW>(parameters);
}

ScaledStep step_of(const std::string& kind, Precision precision, double scale) {
  const ViTConfig config = small_run().model;
  const auto model = initial_model(config, 3);
  const auto optimizer = optimizer_of(kind, model->named_parameters());
  Generator generator(4);
  const Tensor images = normal(config.batch_shape(20), generator);
  const Tensor labels = stripes(20, 5).labels;
  const Tensor& gradients = optimizer->arena().gradients();
  accumulate_gradients(20, 8, 6, gradients,
                       [&](int64_t begin, int64_t end) {
                         return cross_entropy((*model)(slice(images, 0, begin, end)),
                                              slice(labels, 0, begin, end), 0.1);
                       },
                       {.precision = precision, .loss_scale = scale});
  ScaledStep step{gradients.to_vector(), {}, {}, 0};
  for (double& g : step.gradients) g /= scale;
  step.norm = optimizer->clip_grad_norm(0.01, scale);  // which clips
  optimizer->step();
  step.weights = optimizer->arena().values().to_vector();
  for (const auto& [name, tensor] : optimizer->state_dict())
    for (double value : tensor.to_vector()) step.state.push_back(value);
  return step;
}

}  // namespace

TEST_CASE("a loss scale doubles after 2000 finite steps in a row and halves where one is not") {
  LossScale scale;
  CHECK(scale.value == 65536);
  take_finite_steps(scale, 1999);
  CHECK(scale.value == 65536);
  scale.update(true);
  CHECK(scale.value == 131072);
  take_finite_steps(scale, 1999);
  scale.update(false);
  CHECK(scale.value == 65536);
  CHECK(scale.skipped_steps == 1);
  take_finite_steps(scale, 1999);
  CHECK(scale.value == 65536);
  scale.update(true);
  CHECK(scale.value == 131072);
  CHECK(scale.skipped_steps == 1);
}

TEST_CASE("a loss scale is exhausted below 2^-14, and never leaves the range of a float") {
  LossScale scale;
  for (int halvings = 0; halvings < 30; ++halvings) {
    scale.update(false);
    CHECK(!scale.exhausted());
  }
  CHECK(scale.value == 0x1p-14);
  scale.update(false);
  CHECK(scale.exhausted());
  scale.value = LossScale::most / 2;
  take_finite_steps(scale, 3 * LossScale::growth_steps);
  CHECK(static_cast<double>(std::numeric_limits<float>::max()) >= scale.value);
}

TEST_CASE("a power of two before the loss changes no bit of gradients, their norm and a step") {
  for (const std::string kind : {"adamw", "muon", "sgd"})
    for (const Precision precision : {Precision::f32, Precision::bf16}) {
      const ScaledStep plain = step_of(kind, precision, 1);
      CHECK(plain.norm > 0.01);
      for (const double scale : {65536.0, 0.125}) {
        INFO(kind, ", scale ", scale);
        const ScaledStep scaled = step_of(kind, precision, scale);
        CHECK(scaled.gradients == plain.gradients);
        CHECK(scaled.norm == plain.norm);
        CHECK(scaled.weights == plain.weights);
        CHECK(scaled.state == plain.state);
      }
    }
}

TEST_CASE("a loss scale that is no number above 0 is refused") {
  const auto model = small_model();
  AdamW optimizer(model->named_parameters());
  for (const double scale : {0.0, -1.0, std::nan("")})
    CHECK(contains(refusal_of([&] { optimizer.clip_grad_norm(1, scale); }), "loss_scale is "));
}

}  // namespace espalier::test
