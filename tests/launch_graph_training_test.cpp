// Trainings on a GPU whose steps are launched as a whole.
#include <algorithm>

#include "engine/io/safetensors.h"
#include "tests/device_training.h"

namespace espalier::test {
namespace {

// Everything of a run but the clock, and how many of its steps were launched as a whole; broken off
// and resumed behind each of the steps `breaks`.
struct GraphRun {
  std::vector<double> losses, norms;
  std::vector<bool> skipped;
  std::map<std::string, std::vector<double>> state;
  int64_t launched = 0;
};

// What is trained, and on what.
struct Training {
  TrainConfig config;
  ImageDataset images;
  TrainerParts parts = on(Device::cuda());

  explicit Training(const TrainConfig& c)
      : config(c), images(shades(c.batch_size * c.max_steps, c.model, 1)) {}
};

GraphRun graph_run(const Training& training, bool with_graph, std::vector<int64_t> breaks) {
  const TrainConfig& config = training.config;
  const TemporaryFolder folder;
  const std::string path = run_folder(folder, "run");
  GraphRun out;
  breaks.push_back(config.max_steps);
  for (const int64_t last : breaks) {
    TrainerParts given = training.parts;
    given.launch_graph = with_graph;
    Trainer trainer(config, training.images, shades(0, config.model, 2), path, std::move(given));
    if (std::filesystem::exists(trainer.last_checkpoint())) trainer.resume();
    trainer.run({.step =
                     [&](const StepReport& report) {
                       out.losses.push_back(report.loss);
                       out.norms.push_back(report.grad_norm);
                       out.skipped.push_back(report.skipped);
                     },
                 .interrupted = [&] { return trainer.step() >= last; }});
    out.launched += trainer.graph_launches();
  }
  for (const auto& [name, tensor] :
       load_safetensors(path + "/checkpoints/last.safetensors").tensors)
    out.state[name] = tensor.to_vector();
  return out;
}

// Of all that is bit for bit the same without one.
GraphRun checked_graph_run(const Training& training, const std::vector<int64_t>& breaks = {}) {
  const GraphRun alone = graph_run(training, false, {});
  const GraphRun graph = graph_run(training, true, breaks);
  CHECK(alone.launched == 0);
  CHECK(graph.losses == alone.losses);
  for (size_t i = 0; i < alone.norms.size(); ++i)
    CHECK((graph.norms[i] == alone.norms[i] || alone.skipped[i]));  // NaN equals nothing
  CHECK(graph.skipped == alone.skipped);
  CHECK(graph.state == alone.state);
  return graph;
}

}  // namespace

TEST_CASE("a step that is launched as a whole gives the bits of its kernels one by one") {
  if (cuda_device_count() == 0) return;
  for (const char* precision : {"f32", "bf16", "f16"}) {
    INFO("precision: ", std::string(precision));
    TrainConfig config = tiny_run(4);
    config.precision = precision;
    config.augmentation.mixup = 0;
    // All but the first, and the first after a resume.
    CHECK(checked_graph_run(Training(config), {2}).launched == 2);
  }
}

TEST_CASE("mixtures of labels and sgd go through a launch graph too") {
  if (cuda_device_count() == 0) return;
  TrainConfig config = tiny_run(4);
  config.optimizer = "sgd";
  config.augmentation.mixup = 0.5;
  config.batch_size = 7;  // in chunks of 4 and 3
  CHECK(checked_graph_run(Training(config)).launched == 3);
}

TEST_CASE("a loss scale that changes has its step recorded anew") {
  if (cuda_device_count() == 0) return;
  Training training(overflowing_run(8));
  training.images = seldom_another_class(training.config);
  training.parts = sure_of_class_0(training.config);
  const GraphRun run = checked_graph_run(training);
  const auto first = std::find(run.skipped.begin(), run.skipped.end(), true);
  CHECK(first - run.skipped.begin() >= 1);  // a step of the graph
  CHECK(run.skipped.end() - first > 2);     // and there is one with the new scale
  // The first step, and the first with the new scale, are not launched as a whole.
  CHECK(std::count(first, run.skipped.end(), true) == 1);
  CHECK(run.launched == training.config.max_steps - 2);
}

}  // namespace espalier::test
