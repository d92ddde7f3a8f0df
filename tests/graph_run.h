// Trainings on a GPU with and without steps that are launched as a whole.
#pragma once

#include "engine/io/safetensors.h"
#include "tests/device_training.h"

namespace espalier::test {

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

inline GraphRun graph_run(const Training& training, bool with_graph, std::vector<int64_t> breaks) {
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
inline GraphRun checked_graph_run(const Training& training,
                                  const std::vector<int64_t>& breaks = {}) {
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

}  // namespace espalier::test
