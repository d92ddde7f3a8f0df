#include "nn/distillation.h"

#include <cmath>

#include "nn/model_file.h"
#include "tests/refusal.h"
#include "tests/small_training.h"

namespace espalier::test {

TEST_CASE("soft targets are a softmax of softened logits") {
  const std::vector<double> p = soft_targets(Tensor::of<double>({2, 0}, {1, 2}), 4).to_vector();
  const double expected = 1 / (1 + std::exp(-0.5));
  CHECK(std::abs(p[0] - expected) <= 4 * std::numeric_limits<double>::epsilon());
  CHECK(std::abs(p[0] + p[1] - 1) <= 4 * std::numeric_limits<double>::epsilon());
}

TEST_CASE("distillation gradients match finite differences, and vanish at the teacher") {
  const Tensor teacher = random_tensor({3, 5}, 2);
  for (double temperature : {1.0, 3.0})
    check_gradients(
        [&](const auto& x) {
          return distillation_loss(x[0], soft_targets(teacher, temperature), temperature);
        },
        {random_tensor({3, 5}, 1)});
  const Tensor same = Tensor::of(teacher.to_vector(), teacher.shape());
  same.set_requires_grad();
  backward(distillation_loss(same, soft_targets(teacher, 3), 3));
  for (double g : same.grad().to_vector())
    CHECK(std::abs(g) <= 16 * std::numeric_limits<double>::epsilon());
}

// What a training from this seed ends with.
Graph trained(uint64_t seed) {
  const TemporaryFolder folder;
  TrainConfig config = small_run();
  config.seed = seed;
  Trainer trainer(config, stripes(320, 1), stripes(100, 2), new_run(folder, "teacher"));
  trainer.run();
  return load_model(trainer.best_checkpoint()).graph;
}

TEST_CASE("a student learns from its teacher alone, and resumes to the same bits") {
  const Graph teacher = trained(1);
  TrainConfig config = small_run();
  config.distillation = 1;  // labels count for nothing
  const auto parts = [&] { return TrainerParts{.teachers = {teacher}}; };
  check_thread_counts(config, parts);
  config.max_steps = 12;
  check_resuming(config, parts);
}

TEST_CASE("teachers count alike, in any order") {
  const Graph a = trained(1), b = trained(2);
  TrainConfig config = small_run();
  config.distillation = 1;
  config.max_steps = 3;
  const auto taught_by = [&](std::vector<Graph> teachers) {
    const TemporaryFolder folder;
    Trainer trainer(config, stripes(320, 1), {}, new_run(folder, "student"),
                    {.teachers = std::move(teachers)});
    trainer.run();
    return weights_of(trainer.trained());
  };
  const std::vector<float> of_both = taught_by({a, b});
  CHECK(of_both == taught_by({b, a}));
  CHECK(of_both != taught_by({a}));
  CHECK(taught_by({a, a}) == taught_by({a}));
}

TEST_CASE("a run is taken up with the teachers that it began with, and no others") {
  const TemporaryFolder folder;
  TrainConfig config = small_run();
  config.distillation = 1;
  config.max_steps = 2;
  const std::string run = new_run(folder, "run");
  const auto taught_by = [&](std::vector<Graph> teachers) {
    return std::make_unique<Trainer>(config, stripes(320, 1), ImageDataset{}, run,
                                     TrainerParts{.teachers = std::move(teachers)});
  };
  const auto teacher = [](uint64_t seed) { return capture(*small_model(seed)); };
  taught_by({teacher(1), teacher(2)})->run();
  CHECK_NOTHROW(taught_by({teacher(1), teacher(2)})->resume());
  for (const std::vector<uint64_t>& seeds : {std::vector<uint64_t>{1}, {2, 1}, {1, 3}}) {
    std::vector<Graph> others;
    for (uint64_t seed : seeds) others.push_back(teacher(seed));
    const std::string message = refusal_of([&] { taught_by(others)->resume(); }, ErrorKind::file);
    CHECK(contains(message, "last.safetensors: resume: the teacher is another"));
  }
  // A checkpoint from before they were noted.
  const std::string path = taught_by({teacher(1)})->last_checkpoint();
  TensorFile file = load_safetensors(path);
  std::string& progress = file.metadata.at("espalier.progress");
  const size_t at = progress.find(",\"teachers\":");
  REQUIRE(at != progress.npos);
  progress.erase(at, progress.find('}', at) - at);
  file.metadata.erase("espalier.checksum");  // of what was there
  save_safetensors(path, file.tensors, file.metadata);
  CHECK_NOTHROW(taught_by({teacher(3)})->resume());
}

TEST_CASE("distillation without a teacher, or a teacher without distillation, is refused") {
  Generator generator(1);
  VisionTransformer model(small_run().model, generator);
  model.eval();
  TrainConfig config = small_run();
  const auto refused = [&](TrainerParts parts) {
    return refusal_of([&] { Trainer(config, stripes(320, 1), stripes(9, 2), "x", parts); });
  };
  CHECK(contains(refused({.teachers = {capture(model)}}), "teachers is given"));
  config.distillation = 0.5;
  CHECK(contains(refused({}), "teachers is none"));
  config.temperature = 0;
  CHECK(contains(refused({}), "temperature"));
  CHECK(contains(refusal_of([&] { soft_targets(Tensor::zeros({1, 2}), -1); }), "temperature"));
}

}  // namespace espalier::test
