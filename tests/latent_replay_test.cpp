// Latent replay: what is kept, where it enters, and what that costs.
#include "cl/methods/latent_replay.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "cl/continual_trainer.h"
#include "cl/ledger.h"
#include "cl/network_features.h"
#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/cat.h"
#include "engine/ops/cross_entropy.h"
#include "nn/evaluate.h"
#include "tests/learning_runs.h"

using namespace espalier;
using namespace espalier::test;

namespace {

LearnConfig latent_learning(const std::string& network = "mlp", int64_t stage = 1) {
  LearnConfig config = small_learning("latent_replay");
  config.network = network;
  config.latent_stage = stage;
  config.latent_coding = "f32";
  config.epochs = 1;
  config.max_steps = 8;
  return config;
}

// The trainer of a run that has learned the first task.
struct AfterFirst {
  TemporaryFolder folder{};
  ContinualTrainer trainer;
  explicit AfterFirst(const LearnConfig& config)
      : trainer(config, small_stream(config), new_folder(folder, "run"), network_for(config)) {
    CHECK(trainer.run_task());
  }
  const Learner& learner() const { return trainer.learner(); }
};

std::vector<double> latent_of(const ReplayMemory& memory, int64_t slot) {
  const Tensor latent = Tensor::empty(memory.layout().item);
  memory.read_latent(slot, latent.data<float>());
  return latent.to_vector();
}

// What frozen stages make of each image, by label.
std::vector<std::pair<int64_t, std::vector<double>>> latents_of(const Learner& learner,
                                                                const ImageDataset& data) {
  const Tensor images = normalized(data.images, learner.network->input());
  const Tensor all = run_frozen(learner, images, 0, learner.config.latent_stage);
  const std::vector<double> values = all.to_vector();
  const int64_t each = all.numel() / all.size(0);
  std::vector<std::pair<int64_t, std::vector<double>>> out;
  for (int64_t i = 0; i < all.size(0); ++i)
    out.emplace_back(
        data.labels.data<int64_t>()[i],
        std::vector<double>(values.begin() + i * each, values.begin() + (i + 1) * each));
  return out;
}

// Slots whose latent and label are those of an image of the data.
int64_t slots_of(const Learner& learner, const ImageDataset& data) {
  const auto known = latents_of(learner, data);
  const ReplayMemory& memory = *learner.memory;
  int64_t count = 0;
  for (int64_t slot = 0; slot < memory.size(); ++slot)
    count += std::find(known.begin(), known.end(),
                       std::pair(memory.label(slot), latent_of(memory, slot))) != known.end();
  return count;
}

}  // namespace

TEST_CASE("memory keeps what the frozen stages make of an image, and does not age") {
  for (const auto& entered :
       {std::pair{"mlp", 1}, {"mlp", 2}, {"vit-tiny", 1}, {"vit-tiny", 2}, {"vit-tiny", 3}}) {
    const char* network = entered.first;
    const int64_t stage = entered.second;
    INFO(network, " ", stage);
    AfterFirst run(latent_learning(network, stage));
    const ImageDataset first = run.learner().stream.tasks[0].train;
    const ImageDataset second = run.learner().stream.tasks[1].train;
    CHECK(run.learner().entry == stage);
    CHECK(run.learner().memory->size() == 40);
    CHECK(slots_of(run.learner(), first) == 40);
    CHECK(run.trainer.run_task());
    const int64_t old = slots_of(run.learner(), first);
    CHECK(old > 0);
    CHECK(old < 40);
    CHECK(old + slots_of(run.learner(), second) == 40);
  }
}

TEST_CASE("replayed rows enter at their stage and go on with the new ones") {
  AfterFirst run(latent_learning());
  const Learner& learner = run.learner();
  const StagedModule& network = *learner.network;
  StepBatch batch = new_rows(learner, {3, 4, 5});
  draw_rows(learner, 6, 0, batch);
  REQUIRE(batch.rows() == 9);
  const Tensor gradients = learner.optimizer->arena().gradients();
  std::vector<double> weights;
  for (size_t g = 0; g < 2; ++g) weights.push_back(run.trainer.method().weight(batch, g));
  const double loss = add_gradients(
      learner, batch, weights,
      [&](const BatchPart& part) { return run.trainer.method().loss(learner, part); }, gradients);

  const NoGradGuard off_the_tape;
  const ImageDataset data = learner.current().train.subset({3, 4, 5});
  std::vector<Tensor> rows{network.run_stages(normalized(data.images, network.input()), 0, 1)};
  for (const int64_t slot : batch.slots) {
    rows.push_back(Tensor::empty({1, 32}));
    learner.memory->read_latent(slot, rows.back().data<float>());
  }
  const Tensor logits = network.run_stages(cat(rows, 0), 1, 3);
  const double expected = cross_entropy(logits, batch.labels).item();
  // A mean of 9 rows, of two parts in one case and in order in the other.
  CHECK(std::abs(loss - expected) <= 9 * std::numeric_limits<float>::epsilon() * (1 + expected));
  CHECK(batch.logits.to_vector() == logits.to_vector());
}

TEST_CASE("with nothing in memory it is plain training of the upper stages, bit for bit") {
  const LearnConfig config = latent_learning();
  AfterFirst latent(config);
  Learner plain{config, small_stream(config), nullptr, nullptr, std::nullopt, nullptr};
  plain.network = make_network(config, plain.stream);
  plain.network->load_state_dict(latent.learner().network->state_dict());
  freeze_below(plain, 1);
  plain.task = 1;
  plain.step = latent.learner().step;
  const auto gradients_of = [](const Learner& learner) {
    StepBatch batch = new_rows(learner, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    learner.optimizer->zero_grad();
    add_gradients(
        learner, batch, {1},
        [](const BatchPart& part) { return cross_entropy(part.logits, part.labels()); },
        learner.optimizer->arena().gradients());
    return learner.optimizer->arena().gradients().to_vector();
  };
  CHECK(latent.learner().entry == 1);
  CHECK(gradients_of(latent.learner()) == gradients_of(plain));
}

TEST_CASE("a latent's coding decides how many fit into a budget of bytes") {
  // 32 values: with label and task, and the step where there is one.
  const std::pair<const char*, int64_t> codings[] = {
      {"f32", 32 * 4 + 4}, {"s8", 32 + 4 + 4}, {"s4", 16 + 4 + 4}};
  for (const auto& [coding, bytes] : codings) {
    LearnConfig config = latent_learning();
    config.latent_coding = coding;
    config.memory_samples = 0;
    config.memory_bytes = 5 * bytes + bytes - 1;
    AfterFirst run(config);
    CHECK(run.learner().memory->capacity() == 5);
    CHECK(run.trainer.ledger().memory_bytes == 5 * bytes);
    CHECK(run.trainer.run_task());
  }
}

TEST_CASE("a replayed row costs the upper stages alone") {
  AfterFirst run(latent_learning());
  StagedModule& network = *run.learner().network;
  const double all = multiply_accumulates(network), below = multiply_accumulates(network, 0, 1);
  CHECK(below > 0);
  const Ledger before = run.trainer.ledger();
  // Steps of 16 new rows, and every image of the task once more to be kept.
  CHECK(before.rows == 8 * 16 + 320);
  CHECK(std::abs(static_cast<double>(before.multiply_accumulates) - all * (3 * 8 * 16 + 320)) <= 9);
  CHECK(run.trainer.run_task());
  const Ledger after = run.trainer.ledger();
  CHECK(after.rows - before.rows == 8 * 32);
  const double cost = 8 * (16 * below + 32 * 3 * (all - below));
  CHECK(std::abs(static_cast<double>(after.multiply_accumulates - before.multiply_accumulates) -
                 cost) <= 9);  // each step's count is a whole number
}

TEST_CASE("latent replay keeps what plain training forgets, in steps of 4 bits too") {
  const TemporaryFolder folder;
  for (const char* coding : {"f32", "s8", "s4"}) {
    LearnConfig config = latent_learning();
    config.max_steps = 0;
    config.epochs = 3;
    config.latent_coding = coding;
    config.selection = "class_balanced";
    ContinualTrainer trainer(config, small_stream(config), new_folder(folder, coding));
    CHECK(trainer.run());
    const std::vector<double>& last = trainer.accuracy().back();
    CHECK((last[0] + last[1]) / 2 > 0.9);
  }
}

TEST_CASE("each image of a task is offered once, however many epochs it is learned for") {
  for (const int64_t epochs : {1, 3}) {
    LearnConfig config = latent_learning();
    config.max_steps = 0;
    config.epochs = epochs;
    config.memory_samples = 640;  // all there are
    AfterFirst run(config);
    CHECK(run.learner().memory->size() == 320);
    CHECK(run.trainer.run_task());
    CHECK(run.learner().memory->size() == 640);
    CHECK(slots_of(run.learner(), run.learner().stream.tasks[1].train) == 320);
  }
}

TEST_CASE("latent replay refuses a stage that there is not, and what looks at images") {
  const TemporaryFolder folder;
  const auto make = [&](const LearnConfig& config) {
    ContinualTrainer(config, small_stream(config), folder.file("none"), network_for(config));
  };
  CHECK_THROWS_WITH_AS(make(latent_learning("mlp", 3)),
                       "LearnConfig: latent_stage is 3; expected 1 to 2; network 'mlp' has 3 "
                       "stages, and the last one has to learn",
                       Error);
  CHECK_THROWS_WITH_AS(make(latent_learning("vit-tiny", 4)),
                       "LearnConfig: latent_stage is 4; expected 1 to 3; network 'vit-tiny' has 4 "
                       "stages, and the last one has to learn",
                       Error);
  CHECK_THROWS_AS(make(latent_learning("mlp", 0)), Error);
  LearnConfig config = latent_learning();
  config.latent_coding = "u8";
  CHECK_THROWS_AS(make(config), Error);
  for (const std::string& name : selection_names()) {
    config = latent_learning();
    config.selection = name;
    if (name == "gss" || name == "herding")
      CHECK_THROWS_AS(make_method(config), Error);
    else
      CHECK(AfterFirst(config).trainer.run());
  }
}
