// Trainings in f16 on a GPU: what the loss scale does to them.
#include "engine/io/safetensors.h"
#include "engine/ops/binary.h"
#include "engine/ops/unary.h"
#include "tests/device_training.h"
#include "tests/refusal.h"

namespace espalier::test {
namespace {

using Reports = std::vector<StepReport>;

// All state but the clock.
struct SavedState {
  std::map<std::string, std::vector<double>> tensors;
  std::string loss_scale;

  explicit SavedState(const std::string& path) {
    const TensorFile file = load_safetensors(path);
    for (const auto& [name, tensor] : file.tensors) tensors[name] = tensor.to_vector();
    const std::string& progress = file.metadata.at("espalier.progress");
    loss_scale = progress.substr(progress.find("\"loss_scale\""));
  }
};

// Takes a run up, or begins it, up to `last` steps.
Reports steps_up_to(int64_t last, const TrainConfig& config, const std::string& folder,
                    std::vector<SavedState>* states = nullptr) {
  Trainer trainer(config, seldom_another_class(config), shades(0, config.model, 2), folder,
                  sure_of_class_0(config));
  if (std::filesystem::exists(trainer.last_checkpoint())) trainer.resume();
  Reports reports;
  trainer.run({.step =
                   [&](const StepReport& report) {
                     reports.push_back(report);
                     // Of the step before, since a checkpoint follows each.
                     if (states) states->emplace_back(trainer.last_checkpoint());
                   },
               .interrupted = [&] { return trainer.step() >= last; }});
  if (states) states->emplace_back(trainer.last_checkpoint());
  return reports;
}

// A finite loss, of which no gradient is: the root's slope at 0 is infinite.
class Endless : public Trainable {
 public:
  using Trainable::Trainable;
  Tensor forward(const Tensor& images) const override {
    const Tensor logits = Trainable::forward(images);
    return add(logits, mul(sqrt(sub(logits, logits)), 0));
  }
};

}  // namespace

TEST_CASE("vit-tiny trains on a GPU in f16 as it does in f32") {
  if (cuda_device_count() == 0) return;
  TrainConfig config = short_run("vit-tiny", 2);
  config.model.image_size = 8;
  constexpr double half_a_unit = 0x1p-11;  // of a number with 11 bits
  const Course exact = course(config, Device::cuda());
  const Course nudged = course(config, Device::cuda(), half_a_unit);
  config.precision = "f16";
  const Course found = course(config, Device::cuda());
  // A step passes the tokenizer, four products a block and the head, forth and back; each rounds
  // its two operands.
  const double products = 2.0 * static_cast<double>(2 + 4 * config.model.depth);
  const auto roundings = 2 * products * static_cast<double>(config.max_steps);
  const std::vector<double> bounds = bounds_of(exact, nudged, roundings, half_a_unit);
  REQUIRE(found.losses.size() == exact.losses.size());
  for (size_t i = 0; i < bounds.size(); ++i) {
    INFO("step ", i + 1, ": ", found.losses[i], " in f16, ", exact.losses[i], " in f32, bound ",
         bounds[i]);
    CHECK(std::abs(found.losses[i] - exact.losses[i]) <= bounds[i]);
    CHECK(found.losses[i] != exact.losses[i]);
  }
  // The first gradient, off by as much for each rounding at the most.
  CHECK(std::abs(found.norms[0] - exact.norms[0]) <= 2 * products * half_a_unit * exact.norms[0]);
}

TEST_CASE("an overflow in f16 skips its step and halves the loss scale, and nothing else does") {
  if (cuda_device_count() == 0) return;
  const TemporaryFolder folder;
  const TrainConfig config = overflowing_run(8);
  std::vector<SavedState> states;
  const Reports reports = steps_up_to(config.max_steps, config, run_folder(folder, "run"), &states);
  REQUIRE(reports.size() == 8);
  double scale = 0x1p16;
  int64_t skipped = 0;
  for (size_t i = 0; i < reports.size(); ++i) {
    INFO("step ", i + 1, ", loss ", reports[i].loss);
    const bool another_class = reports[i].loss > 1;
    CHECK(reports[i].loss_scale.value() == scale);
    if (!another_class || skipped == 0) CHECK(reports[i].skipped == another_class);
    CHECK(reports[i].skipped == !std::isfinite(reports[i].grad_norm));
    // Weights, moments, averages and the optimiser's count of steps.
    CHECK((states[i].tensors == states[i + 1].tensors) == reports[i].skipped);
    if (reports[i].skipped) scale /= 2, ++skipped;
  }
  CHECK(skipped > 0);
  CHECK(!reports[0].skipped);  // so that there was something to lose
  CHECK(contains(states.back().loss_scale, "\"skipped_steps\":" + std::to_string(skipped)));
}

TEST_CASE("a run in f16 that is broken off and resumed ends with the same bits") {
  if (cuda_device_count() == 0) return;
  const TemporaryFolder folder;
  const TrainConfig config = overflowing_run(8);
  const std::string whole = run_folder(folder, "whole"), broken = run_folder(folder, "broken");
  const Reports expected = steps_up_to(config.max_steps, config, whole);
  Reports found;
  for (const int64_t last : {1, 4, 7, 8})
    for (const StepReport& report : steps_up_to(last, config, broken)) found.push_back(report);
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i].loss == expected[i].loss);
    CHECK(found[i].loss_scale == expected[i].loss_scale);
  }
  const SavedState a(whole + "/checkpoints/last.safetensors");
  const SavedState b(broken + "/checkpoints/last.safetensors");
  CHECK(a.tensors == b.tensors);
  CHECK(a.loss_scale == b.loss_scale);
}

TEST_CASE("a gradient in f16 that no loss scale makes finite ends the run") {
  if (cuda_device_count() == 0) return;
  const TemporaryFolder folder;
  TrainConfig config = overflowing_run(40);
  config.checkpoint_steps = 40;
  TrainerParts parts = on(Device::cuda());
  parts.form = [&] { return std::make_unique<Endless>(initial_model(config.model, config.seed)); };
  Trainer trainer(config, shades(40, config.model, 1), shades(0, config.model, 2),
                  run_folder(folder, "run"), std::move(parts));
  CHECK(contains(refusal_of([&] { trainer.run(); }, ErrorKind::numeric),
                 "whatever the loss scale, at step 31"));
  CHECK(trainer.step() == 30);
}

}  // namespace espalier::test
