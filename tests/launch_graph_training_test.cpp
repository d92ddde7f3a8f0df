// Trainings on a GPU whose steps are launched as a whole.
#include <algorithm>

#include "engine/dispatch.h"
#include "engine/io/safetensors.h"
#include "engine/ops/binary.h"
#include "engine/ops/reduce.h"
#include "engine/ops/unary.h"
#include "engine/ops/view.h"
#include "nn/optim/adamw.h"
#include "nn/optim/ema.h"
#include "nn/whole_step.h"
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

// The root of a weight times each of two samples, a chunk each.
class OneWeight {
 public:
  explicit OneWeight(bool with_graph) : step_(with_graph) {}

  StepResult run(const std::vector<double>& samples) {
    const std::vector<float> values(samples.begin(), samples.end());
    const Tensor batch = Tensor::of(values, {2, 1}).to(Device::cuda());
    return step_.run({batch}, optimizer_, &average_, {.chunk_size = 1, .seed = 1, .limits = {0.1}},
                     [&](const RecycledVector<Tensor>& read, int64_t begin, int64_t end) {
                       return mean(sqrt(mul(weight_, slice(read[0], 0, begin, end))));
                     });
  }
  // Weight, moments, average, count of steps.
  std::vector<std::vector<double>> state() const {
    std::vector<std::vector<double>> all = {weight_.to_vector()};
    for (const auto& [name, tensor] : optimizer_.state_dict()) all.push_back(tensor.to_vector());
    return all;
  }
  int64_t launched() const { return step_.launched(); }

 private:
  const Tensor weight_ = Tensor::full({1, 1}, 3).to(Device::cuda()).set_requires_grad();
  AdamW optimizer_{{{"weight", weight_}}};
  WeightAverage average_{optimizer_.arena(), 0.9};
  WholeStep step_;
};

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

TEST_CASE("a loss scale that changes leaves the recorded step as it is") {
  if (cuda_device_count() == 0) return;
  Training training(overflowing_run(8));
  training.images = seldom_another_class(training.config);
  training.parts = sure_of_class_0(training.config);
  const GraphRun run = checked_graph_run(training);
  const auto first = std::find(run.skipped.begin(), run.skipped.end(), true);
  CHECK(first - run.skipped.begin() >= 1);  // a step of the graph
  CHECK(run.skipped.end() - first > 2);     // and there is one with the new scale
  CHECK(run.launched == training.config.max_steps - 1);
}

TEST_CASE("a loss or a gradient that is not finite stops a run with its state unharmed") {
  if (cuda_device_count() == 0) return;
  for (const bool with_graph : {false, true})
    for (const bool bad_loss : {false, true}) {
      INFO("graph ", with_graph, ", loss ", bad_loss);
      OneWeight one(with_graph);
      CHECK(one.run({1, 2}).updated);
      CHECK(one.run({3, 1}).updated);
      const std::vector<std::vector<double>> before = one.state();
      const double infinity = std::numeric_limits<double>::infinity();
      // d sqrt(w x) / dw at x = 0 is 0 / 0 with a loss of 0.
      const StepResult bad = one.run({1, bad_loss ? infinity : 0});
      CHECK(!bad.updated);
      CHECK(std::isfinite(bad.loss) == !bad_loss);
      CHECK(!std::isfinite(bad.grad_norm));
      CHECK(one.state() == before);
      CHECK(one.run({2, 2}).updated);
      CHECK(one.state() != before);
      CHECK(one.launched() == (with_graph ? 3 : 0));
    }
}

TEST_CASE("a step that is launched as a whole chooses no kernel and launches none by itself") {
  if (cuda_device_count() == 0) return;
  OneWeight one(true);
  one.run({1, 2});
  one.run({2, 1});  // recorded
  const int64_t chosen = dispatch_count();
  for (const double value : {1.0, 2.0, 0.0, 1.0}) one.run({1, value});
  CHECK(dispatch_count() == chosen);
  CHECK(one.launched() == 5);
}

}  // namespace espalier::test
