// Trainings on a GPU whose model loses channels, or single weights, in between.
#include "compress/pruning/sparse.h"
#include "nn/optim/adamw.h"
#include "tests/device_training.h"

namespace espalier::test {
namespace {

std::unique_ptr<VisionTransformer> first_model(const TrainConfig& config, double nudge) {
  auto model = initial_model(config.model, config.seed);
  for (const auto& [name, weight] : model->named_parameters())
    for (int64_t i = 0; i < weight.numel(); ++i)
      weight.data<float>()[i] *= static_cast<float>(1 + (i % 2 ? nudge : -nudge));
  return model;
}

// What channels go is chosen at random, which rounding does not change.
Shrinking channels(const TrainConfig& config) {
  PruneOptions options;
  options.importance = "random";
  options.selection.fraction = 0.4;
  auto model = first_model(config, 0);
  model->eval();
  return gradual_pruning(*model, options, {.times = 2, .share = 0.7}, {});
}

Shrinking zeros(const TrainConfig&) {
  return gradual_zeros({.fraction = 0.5}, {.times = 2, .share = 0.7});
}

struct ShrunkRun {
  Course course;
  std::string shape;
  WeightCount weights;
  int64_t launched = 0;
};

using Kind = Shrinking (*)(const TrainConfig& config);

// Broken off on `first` after so many steps, and taken up on `second`.
ShrunkRun shrunk(const TrainConfig& config, Kind kind, Device first, Device second, int64_t after,
                 double nudge = 0) {
  const TemporaryFolder folder;
  const std::string path = run_folder(folder, "run");
  ShrunkRun out;
  for (const bool again : {false, true}) {
    TrainerParts parts = on(again ? second : first);
    parts.shrinking = kind(config);
    parts.form = [&] {
      auto model = first_model(config, nudge);
      return parts.shrinking.form ? parts.shrinking.form(std::move(model))
                                  : std::make_unique<Trainable>(std::move(model));
    };
    Trainer trainer(config, shades(config.batch_size * config.max_steps, config.model, 1),
                    shades(10, config.model, 2), path, parts);
    if (again) trainer.resume();
    const bool whole = trainer.run(
        {.step = [&](const StepReport& report) { out.course.losses.push_back(report.loss); },
         .epoch = [&](const EpochReport& r) { out.course.validation_loss = r.validation->loss; },
         .interrupted = [&] { return trainer.step() == after; }});
    out.launched += trainer.graph_launches();
    if (!whole) continue;
    const VisionTransformer& model = trainer.trained().model();
    CHECK(model.device() == (again ? second : first));
    out.shape = to_json(model.config);
    out.weights = count_weights(*copy_of(model));
    return out;
  }
  return out;
}

ShrunkRun shrunk(const TrainConfig& config, Kind kind, Device device, double nudge = 0) {
  return shrunk(config, kind, device, device, -1, nudge);
}

void check_like_the_cpu(const ShrunkRun& found, const ShrunkRun& exact, const ShrunkRun& nudged) {
  // As tests/device_training_test.cpp: the first convolution sums over the pixels of a chunk.
  const std::vector<double> bounds = bounds_of(exact.course, nudged.course, 4 * 28 * 28);
  REQUIRE(found.course.losses.size() == exact.course.losses.size());
  for (size_t i = 0; i < bounds.size(); ++i) {
    INFO("step ", i + 1, ": ", found.course.losses[i], " on the GPU, ", exact.course.losses[i],
         " on the CPU, bound ", bounds[i]);
    CHECK(std::abs(found.course.losses[i] - exact.course.losses[i]) <= bounds[i]);
  }
  CHECK(std::abs(found.course.validation_loss - exact.course.validation_loss) <= bounds.back());
  CHECK(found.shape == exact.shape);
  CHECK(found.weights.zeros == exact.weights.zeros);
}

}  // namespace

TEST_CASE("a model on a GPU shrinks while it trains as one on the CPU does") {
  if (cuda_device_count() == 0) return;
  const TrainConfig config = tiny_run(6);  // it shrinks behind the steps 2 and 4
  const ShrunkRun exact = shrunk(config, channels, Device::cpu()),
                  nudged = shrunk(config, channels, Device::cpu(), epsilon),
                  found = shrunk(config, channels, Device::cuda());
  check_like_the_cpu(found, exact, nudged);
  CHECK(found.shape != to_json(config.model));
  // Each of the three models is recorded anew, behind a first step kernel by kernel.
  CHECK(found.launched == 6 - 3);
}

TEST_CASE("a run that shrinks on one device goes on on the other") {
  if (cuda_device_count() == 0) return;
  const TrainConfig config = tiny_run(6);
  const ShrunkRun exact = shrunk(config, channels, Device::cpu()),
                  nudged = shrunk(config, channels, Device::cpu(), epsilon);
  const Device cpu = Device::cpu(), gpu = Device::cuda();
  check_like_the_cpu(shrunk(config, channels, gpu, cpu, 2), exact, nudged);  // as it shrinks
  check_like_the_cpu(shrunk(config, channels, cpu, gpu, 3), exact, nudged);
}

TEST_CASE("weights that are zero stay so on a GPU") {
  if (cuda_device_count() == 0) return;
  const TrainConfig config = tiny_run(6);
  const ShrunkRun exact = shrunk(config, zeros, Device::cpu()),
                  nudged = shrunk(config, zeros, Device::cpu(), epsilon),
                  found = shrunk(config, zeros, Device::cuda());
  check_like_the_cpu(found, exact, nudged);
  CHECK(2 * found.weights.zeros >= found.weights.weights);
}

TEST_CASE("an arena on a GPU is rebuilt with the CPU's bits") {
  if (cuda_device_count() == 0) return;
  const IndexMap kept = {{"matrix", {std::vector<int64_t>{3, 0}, std::vector<int64_t>{1, 2, 4}}},
                         {"bias", {std::vector<int64_t>{2, 0}}}};
  std::vector<std::vector<double>> ended;
  const Isa limit = isa_limit();
  limit_isa(Isa::scalar);  // whose step is a GPU's, bit for bit
  for (const Device device : {Device::cpu(), Device::cuda()}) {
    Generator generator(5);
    const auto made = [&](const Shape& shape) {
      return normal(shape, generator).to(device).set_requires_grad();
    };
    AdamW optimizer({{"matrix", made({4, 5})}, {"bias", made({3})}, {"whole", made({7, 2})}}, {});
    optimizer.arena().gradients().copy_(normal({optimizer.arena().size()}, generator));
    optimizer.step();
    const NamedTensors smaller = {
        {"matrix", made({2, 3})}, {"bias", made({2})}, {"whole", made({7, 2})}, {"new", made({2})}};
    optimizer.rebuild(smaller, kept);
    for (const auto& [name, tensor] : smaller) {
      CHECK(tensor.device() == device);
      ended.push_back(tensor.to_vector());
    }
    for (const auto& [name, tensor] : optimizer.state_dict()) ended.push_back(tensor.to_vector());
  }
  limit_isa(limit);
  const std::ptrdiff_t half = static_cast<std::ptrdiff_t>(ended.size() / 2);
  CHECK(std::vector(ended.begin(), ended.begin() + half) ==
        std::vector(ended.begin() + half, ended.end()));
}

}  // namespace espalier::test
