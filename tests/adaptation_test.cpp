// Methods that keep a pretrained network: what is frozen stays, what is kept comes back.
#include "cl/continual_trainer.h"
#include "cl/methods/ncm.h"
#include "engine/error.h"
#include "tests/gradient_test.h"
#include "tests/learning_runs.h"

using namespace espalier;
using namespace espalier::test;

namespace {

LearnConfig small_adaptation(const std::string& method) {
  LearnConfig config = small_learning(method);
  config.network =
      method == "lora" || method == "adapter" || method == "prompts" ? "vit-tiny" : "mlp";
  config.optimizer = "adamw";
  config.learning_rate = 5e-3;
  config.epochs = 1;
  config.max_steps = 8;
  return config;
}

// Whether a parameter learns after the first task.
bool learns(const Learner& learner, const std::string& name) {
  const std::string& method = learner.config.method;
  const StagedModule& network = *learner.network;
  if (method == "ncm") return false;
  if (method == "latent_replay") return network.stage_of(name) >= learner.config.latent_stage;
  const auto within = [&](const char* part) { return name.find(part) != std::string::npos; };
  if (method == "prompts") return network.stage_of(name) == 1 || within("head.");
  if (method == "adapter" && (within("norm") || within("_adapter."))) return true;
  return network.stage_of(name) == network.stages() - 1 || within("lora_");
}

std::map<std::string, std::vector<double>> weights_of(const Learner& learner) {
  std::map<std::string, std::vector<double>> weights;
  for (const auto& [name, tensor] : learner.network->named_parameters())
    weights[name] = tensor.to_vector();
  return weights;
}

}  // namespace

TEST_CASE("what a method freezes after the first task stays to the bit, and the rest learns") {
  const TemporaryFolder folder;
  for (const char* method : {"frozen", "ncm", "latent_replay", "lora", "adapter", "prompts"}) {
    const LearnConfig config = small_adaptation(method);
    ContinualTrainer trainer(config, small_stream(config), new_folder(folder, method),
                             network_for(config));
    CHECK(trainer.run_task());
    const auto before = weights_of(trainer.learner());
    CHECK(trainer.run_task());
    for (const auto& entry : weights_of(trainer.learner())) {
      const std::string& name = entry.first;
      CHECK_MESSAGE((before.at(name) != entry.second) == learns(trainer.learner(), name), method,
                    " ", name);
    }
  }
}

TEST_CASE("a pretrained network that is adapted goes on with the same bits after any kill") {
  const TemporaryFolder folder;
  for (const char* method : {"frozen", "ncm", "latent_replay", "lora", "adapter", "prompts"}) {
    const LearnConfig config = small_adaptation(method);
    const std::string whole = new_folder(folder, std::string(method) + "-whole");
    const std::string broken = new_folder(folder, std::string(method) + "-broken");
    ContinualTrainer one(config, small_stream(config), whole, network_for(config));
    one.run();
    Ledger cost;
    bool finished = false;
    for (int part = 0; part < 20 && !finished; ++part) {
      ContinualTrainer trainer(config, small_stream(config), broken, network_for(config));
      if (part) trainer.resume();
      const int64_t stop_at = trainer.learner().step + 4 + part % 3;
      try {
        finished = trainer.run({.step = [&](const LearnStep& report) {
          if (report.step == stop_at) throw std::runtime_error("killed");
        }});
      } catch (const std::runtime_error&) {
      }
      cost = trainer.ledger();
    }
    CHECK(finished);
    CHECK(cost.rows == one.ledger().rows);
    CHECK(cost.multiply_accumulates == one.ledger().multiply_accumulates);
    const TensorFile a = load_safetensors(whole + "/checkpoints/last.safetensors");
    const TensorFile b = load_safetensors(broken + "/checkpoints/last.safetensors");
    REQUIRE(a.tensors.size() == b.tensors.size());
    for (const auto& entry : a.tensors)
      CHECK_MESSAGE(entry.second.to_vector() == b.at(entry.first).to_vector(), entry.first);
  }
}

TEST_CASE("class means put an image to the nearest of the classes that were seen") {
  const TemporaryFolder folder;
  LearnConfig config = small_adaptation("ncm");
  config.max_steps = 0;
  config.epochs = 5;
  ContinualTrainer trainer(config, small_stream(config), new_folder(folder, "run"));
  CHECK(trainer.run_task());
  const Tensor scores =
      trainer.method().scores(trainer.learner(), trainer.learner().stream.tasks[0].test.images);
  for (int64_t i = 0; i < scores.size(0); ++i) {
    CHECK(scores.data<float>()[i * 4 + 2] == -std::numeric_limits<float>::infinity());
    // Of points of unit length the square of a distance is at most 4.
    CHECK(scores.data<float>()[i * 4] <= 0);
    CHECK(scores.data<float>()[i * 4] >= -4);
  }
  CHECK(trainer.accuracy().back()[0] > 0.9);
}

TEST_CASE("what is added to the encoder is for Vision Transformers, as the network given says") {
  for (const std::string method : {"lora", "adapter", "prompts"}) {
    const LearnConfig config = small_learning(method);
    REQUIRE(config.network == "mlp");
    CHECK_THROWS_WITH_AS(ContinualTrainer(config, small_stream(config), ""),
                         ("ContinualTrainer: network is of another kind; expected a Vision "
                          "Transformer for method '" +
                          method + "'; 'vit-tiny' is one")
                             .c_str(),
                         Error);
    CHECK_NOTHROW(ContinualTrainer(config, small_stream(config), "", small_vit()));
  }
}
