// Methods of continual learning: what each loss and gradient is, that it is plain training where it
// has nothing to add, the same bits on any number of threads and after any kill.
#include "cl/methods/method.h"

#include <map>

#include "engine/parallel.h"
#include "nn/mlp_classifier.h"
#include "nn/prompts.h"
#include "tests/gradient_test.h"
#include "tests/learning_runs.h"
#include "tests/refusal.h"

using namespace espalier;
using namespace espalier::test;

namespace {

// Two steps a task; the third of all, with a checkpoint, is in the middle of the second.
LearnConfig short_learning(const std::string& method) {
  LearnConfig config = small_learning(method);
  config.epochs = 1;
  config.batch_size = 32;
  config.checkpoint_steps = 3;
  return config;
}

Stream short_stream(const LearnConfig& config) {
  return stream_of(config, four_stripes(96, 1), four_stripes(16, 2));
}

// Where threads are not what is tested: they would wait for each other longer than they work.
struct OneThread {
  OneThread() { set_num_threads(1); }
  ~OneThread() { set_num_threads(before); }
  const int before = num_threads();
};

using Bits = std::vector<std::vector<double>>;

// Makes the network that a run is given; null where it makes its own.
using Given = std::unique_ptr<StagedModule> (*)();
std::unique_ptr<StagedModule> none_given() { return nullptr; }
std::unique_ptr<StagedModule> given_vit() { return small_vit(); }
std::unique_ptr<StagedModule> given_mlp() {
  Generator generator(1);
  return std::make_unique<MlpClassifier>(
      MlpConfig{.input = {.height = 8, .width = 8}, .hidden = {12}, .classes = 4}, generator);
}
std::unique_ptr<StagedModule> given_prompts() {
  Generator generator(1);
  return std::make_unique<PromptedTransformer>(small_vit(), PromptOptions{}, generator);
}

// What a run ends with: all state, or the weights alone.
Bits trained(const LearnConfig& config, const std::string& part = "", Given given = none_given) {
  const TemporaryFolder folder;
  ContinualTrainer trainer(config, short_stream(config), new_folder(folder, "run"), given());
  CHECK(trainer.run());
  return state_of(folder.file("run"), part);
}

Bits resumed(const LearnConfig& config, int64_t stop_at, Given given = none_given) {
  const TemporaryFolder folder;
  const std::string run = new_folder(folder, "run");
  const LearnEvents kill = {.step = [&](const LearnStep& report) {
    if (report.step == stop_at) throw std::runtime_error("killed");
  }};
  ContinualTrainer first(config, short_stream(config), run, given());
  CHECK_THROWS_WITH_AS(first.run(kill), "killed", std::runtime_error);
  ContinualTrainer second(config, short_stream(config), run, given());
  second.resume();
  CHECK(second.learner().task == 1);
  CHECK(second.run());
  return state_of(run);
}

// Those of a perceptron that trains all of the time; tests/adaptation_test.cpp has the others.
std::vector<std::string> learning_methods() {
  std::vector<std::string> names = method_names();
  std::erase_if(names, [](const std::string& name) {
    return name == "ncm" || name == "lora" || name == "adapter" || name == "prompts";
  });
  return names;
}

}  // namespace

TEST_CASE("every method ends with the same bits on any number of threads") {
  const int before = num_threads();
  for (const std::string& name : learning_methods()) {
    INFO(name);
    set_num_threads(1);
    const Bits one = trained(short_learning(name));
    for (int threads : {2, 3, 8}) {
      set_num_threads(threads);
      CHECK(trained(short_learning(name)) == one);
    }
  }
  set_num_threads(before);
}

TEST_CASE("every method that is broken off in the middle of a task goes on with the same bits") {
  const OneThread one;
  for (const std::string& name : learning_methods()) {
    if (name == "joint") continue;  // its second task is empty
    INFO(name);
    CHECK(resumed(short_learning(name), 4) == trained(short_learning(name)));
  }
}

TEST_CASE("a former network is a copy of the network that was given") {
  const OneThread one;
  for (const char* name : {"lwf", "icarl"})
    for (const Given given : {given_vit, given_mlp}) {
      INFO(name);
      const LearnConfig config = short_learning(name);
      CHECK(resumed(config, 4, given) == trained(config, "", given));
    }
}

TEST_CASE("a network that makes no former one is refused before it learns") {
  for (const char* name : {"lwf", "icarl"})
    CHECK(refusal_of([&] { trained(short_learning(name), "", given_prompts); }) ==
          "Teacher: network is of another kind; expected a Vision Transformer or a perceptron; the "
          "method learns from a copy of it");
}

TEST_CASE("with nothing in memory every method is plain training, bit for bit") {
  const OneThread one;
  const auto first_step = [](const std::string& method) {
    LearnConfig config = short_learning(method);
    config.batch_size = 48;  // a step a task
    const TemporaryFolder folder;
    ContinualTrainer trainer(config, short_stream(config), new_folder(folder, "run"));
    CHECK_FALSE(trainer.run({.interrupted = [] { return true; }}));
    CHECK(trainer.learner().step == 1);
    return state_of(folder.file("run"), "model.");
  };
  const Bits naive = first_step("naive");
  for (const std::string& name : learning_methods()) {
    if (name == "joint") continue;                          // it has more to learn from
    if (name == "icarl" || name == "multimodal") continue;  // their losses are others
    INFO(name);
    CHECK(first_step(name) == naive);
  }
}

TEST_CASE("joint training of one task is plain training, bit for bit") {
  const OneThread one;
  LearnConfig config = short_learning("naive");
  config.stream.tasks = 1;
  const Bits naive = trained(config, "model.");
  config.method = "joint";
  CHECK(trained(config, "model.") == naive);
}

TEST_CASE("with a strength of 0 every method that has one is plain training, bit for bit") {
  const OneThread one;
  const Bits naive = trained(short_learning("naive"), "model.");
  for (const char* name : {"der", "der_pp", "ewc_online", "lwf"}) {
    INFO(name);
    LearnConfig config = short_learning(name);
    CHECK(trained(config, "model.") != naive);
    config.alpha = config.beta = config.lambda = 0;
    CHECK(trained(config, "model.") == naive);
  }
  LearnConfig config = short_learning("der_pp");
  config.beta = 0;
  CHECK(trained(config, "model.") == trained(short_learning("der"), "model."));
}

TEST_CASE("joint training takes the images of all tasks at once") {
  const OneThread one;
  const TemporaryFolder folder;
  LearnConfig config = short_learning("joint");
  config.batch_size = 16;
  config.epochs = 10;
  ContinualTrainer trainer(config, short_stream(config), new_folder(folder, "run"));
  CHECK(trainer.learner().stream.tasks[0].train.size() == 96);
  CHECK(trainer.run());
  CHECK(trainer.learner().step == 60);
  REQUIRE(trainer.accuracy().size() == 3);
  CHECK(trainer.accuracy()[1][0] > 0.9);
  CHECK(trainer.accuracy()[1][1] > 0.9);
  CHECK(trainer.accuracy()[2] == trainer.accuracy()[1]);
}
