// Gradual pruning: a training whose model shrinks, and all that goes on in spite of it.
#include "compress/pruning/gradual.h"

#include "nn/model_file.h"
#include "tests/refusal.h"
#include "tests/small_training.h"

namespace espalier::test {
namespace {

constexpr GradualOptions schedule{.times = 3, .share = 0.6};

TrainerParts gradual_parts(const std::string& importance) {
  PruneOptions options;
  options.importance = importance;
  options.selection.fraction = 0.5;
  return {.form =
              [] {
                auto started = small_model();
                started->train();
                return std::make_unique<Trainable>(std::move(started));
              },
          .shrinking = gradual_pruning(*small_model(), options, schedule, stripes(32, 3))};
}

}  // namespace

TEST_CASE("gradual pruning: on any number of threads, and resumed, it ends with the same bits") {
  check_thread_counts(small_run(), [] { return gradual_parts("l2"); });
  check_resuming(small_run(), [] { return gradual_parts("taylor"); });
}

TEST_CASE("gradual pruning: sparsity follows the cubic and state moves along") {
  const TemporaryFolder folder;
  const std::string run = new_run(folder, "run");
  const double whole = static_cast<double>(small_model()->parameter_count());
  TrainerParts parts = gradual_parts("l2");
  std::vector<double> left;
  int64_t asked = 0;
  parts.shrinking.next = [&, next = parts.shrinking.next](const VisionTransformer& model,
                                                          int64_t i) {
    CHECK(i == ++asked);
    CHECK(!model.is_training());
    SmallerModel smaller = next(model, i);
    left.push_back(static_cast<double>(smaller.model->parameter_count()) / whole);
    return smaller;
  };
  Trainer trainer(small_run(), stripes(320, 1), stripes(100, 2), run, parts);
  std::vector<int64_t> shrunk_after;
  double accuracy = 0;
  CHECK(trainer.run({.step =
                         [&](const StepReport& report) {
                           const int64_t times = static_cast<int64_t>(left.size());
                           while (static_cast<int64_t>(shrunk_after.size()) < times)
                             shrunk_after.push_back(report.step - 1);
                         },
                     .epoch = [&](const EpochReport& r) { accuracy = r.validation->accuracy(); }}));
  CHECK(shrunk_after == std::vector<int64_t>{8, 16, 24});  // thirds of 0.6 of 40 steps
  REQUIRE(left.size() == 3);
  for (int64_t i = 1; i <= 3; ++i) {
    const double target = 1 - cubic_sparsity(i, 0, 3, 0, 0.5);
    CHECK(left[static_cast<size_t>(i - 1)] <= target);
    CHECK(left[static_cast<size_t>(i - 1)] > target - 0.06);
  }
  CHECK(accuracy > 0.9);
  // The best is one of the last model.
  const LoadedModel best = load_model(trainer.best_checkpoint());
  CHECK(to_json(best.config) == to_json(trainer.trained().model().config));
  CHECK(best.model->parameter_count() <= 0.5 * whole);
  // Moments of what is left, not new ones: the count of steps goes on, and they are not of 1 step.
  const TensorFile last = load_safetensors(trainer.last_checkpoint());
  CHECK(last.at("optimizer.step").to_vector()[0] == 40);
}

TEST_CASE("gradual pruning: moments are those of before, along what is kept") {
  const TemporaryFolder folder;
  const std::string run = new_run(folder, "run");
  TrainConfig config = small_run();
  config.checkpoint_steps = 7;  // the step before it shrinks
  TrainerParts parts = gradual_parts("l2");
  TensorFile before;
  IndexMap kept;
  parts.shrinking.next = [&, next = parts.shrinking.next](const VisionTransformer& model,
                                                          int64_t i) {
    SmallerModel smaller = next(model, i);
    kept = smaller.kept;
    return smaller;
  };
  const auto state = [&] { return load_safetensors(run + "/checkpoints/last.safetensors"); };
  Trainer trainer(config, stripes(320, 1), stripes(100, 2), run, parts);
  trainer.run({.step =
                   [&](const StepReport& r) {
                     if (r.step == 8) before = state();
                   },
               .interrupted = [&] { return trainer.step() == 8; }});
  const TensorFile after = state();
  CHECK(before.at("optimizer.step").to_vector()[0] == 7);
  CHECK(after.at("optimizer.step").to_vector()[0] == 8);
  CHECK(!kept.empty());
  // One step of beta = 0.999 between them: v_8 >= 0.999 v_7, element by element of what is kept.
  for (const auto& [name, indices] : kept) {
    const std::string& of = name;
    INFO(of);
    const Tensor old = kept_part(before.at("optimizer.exp_avg_sq." + name), indices);
    const Tensor now = after.at("optimizer.exp_avg_sq." + name);
    REQUIRE(old.shape() == now.shape());
    const auto a = old.to_vector(), b = now.to_vector();
    for (size_t i = 0; i < a.size(); ++i) CHECK(b[i] >= 0.9989 * a[i]);
    CHECK(*std::max_element(a.begin(), a.end()) > 0);
  }
}

TEST_CASE("gradual pruning: a checkpoint of another shape than it says is refused") {
  const TemporaryFolder folder;
  const std::string run = new_run(folder, "run");
  const auto start = [&] {
    return Trainer(small_run(), stripes(320, 1), stripes(10, 2), run, gradual_parts("l2"));
  };
  Trainer trainer = start();
  trainer.run({.interrupted = [] { return true; }});
  TensorFile file = load_safetensors(trainer.last_checkpoint());
  ViTConfig huge = small_run().model;
  huge.mlp_hidden = 4096;
  for (const std::string& config : {to_json(huge), std::string()}) {
    file.metadata["espalier.config"] = config;
    if (config.empty()) file.metadata.erase("espalier.config");
    save_safetensors(trainer.last_checkpoint(), file.tensors, file.metadata);
    Trainer again = start();
    CHECK_THROWS_WITH_AS(again.resume(),
                         doctest::Contains(config.empty() ? "does not say" : "needs"), Error);
  }
}

TEST_CASE("gradual pruning: what cannot be done is refused before it begins") {
  const TemporaryFolder folder;
  const auto refused = [&](auto change, const char* part) {
    TrainConfig config = small_run();
    TrainerParts parts = gradual_parts("l2");
    change(config, parts.shrinking);
    const std::string message = refusal_of(
        [&] { Trainer(config, stripes(320, 1), stripes(10, 2), folder.file(""), parts); });
    INFO(message);
    CHECK(contains(message, part));
  };
  refused([](TrainConfig& c, Shrinking&) { c.max_steps = 4; }, "of 4 steps");
  refused([](TrainConfig&, Shrinking& s) { s.share = 1; }, "share between");
  refused([](TrainConfig&, Shrinking& s) { s.times = -1; }, "-1 times");
  refused([](TrainConfig&, Shrinking& s) { s.next = nullptr; }, "shrinking is");
  PruneOptions too_much;
  too_much.selection = {.fraction = 0.9, .kinds = {GroupKind::head}};
  CHECK(contains(refusal_of([&] { gradual_pruning(*small_model(), too_much, schedule, {}); }),
                 "at most 0."));
}

}  // namespace espalier::test
