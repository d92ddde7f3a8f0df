// Trainings on a GPU whose steps are launched as a whole.
#include <algorithm>

#include "engine/dispatch.h"
#include "engine/ops/binary.h"
#include "engine/ops/reduce.h"
#include "engine/ops/unary.h"
#include "engine/ops/view.h"
#include "nn/optim/adamw.h"
#include "nn/optim/ema.h"
#include "nn/whole_step.h"
#include "tests/graph_run.h"

namespace espalier::test {
namespace {

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

TEST_CASE("mixtures of labels, a teacher and other optimisers go through a launch graph too") {
  if (cuda_device_count() == 0) return;
  TrainConfig config = tiny_run(4);
  config.distillation = 0.5;
  config.augmentation.mixup = 0.5;
  config.batch_size = 7;  // in chunks of 4 and 3
  for (const char* optimizer : {"sgd", "muon"}) {
    INFO("optimizer: ", std::string(optimizer));
    config.optimizer = optimizer;
    Training training(config);
    training.parts.teachers = {teacher_of(config)};
    CHECK(checked_graph_run(training).launched == 3);
  }
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
