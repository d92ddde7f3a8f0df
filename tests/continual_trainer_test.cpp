// Learning from a stream: the same bits for any number of threads, and after any kill.
#include "cl/continual_trainer.h"

#include <algorithm>
#include <set>

#include "engine/parallel.h"
#include "tests/gradient_test.h"
#include "tests/learning_runs.h"
#include "tests/refusal.h"

using namespace espalier;
using namespace espalier::test;

TEST_CASE("replay keeps what plain training forgets") {
  const TemporaryFolder folder;
  double mean[2];
  for (const char* method : {"naive", "er"}) {
    LearnConfig config = small_learning(method);
    config.memory_samples = 80;
    ContinualTrainer trainer(config, small_stream(config), new_folder(folder, method));
    CHECK(trainer.run());
    REQUIRE(trainer.accuracy().size() == 3);
    const std::vector<double>& last = trainer.accuracy().back();
    mean[config.method == "er"] = (last[0] + last[1]) / 2;
  }
  CHECK(mean[0] < 0.6);
  CHECK(mean[1] > 0.9);
}

TEST_CASE("continual learning ends with the same bits on any number of threads") {
  const TemporaryFolder folder;
  const int before = num_threads();
  std::vector<std::vector<double>> first;
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    const auto state = learned(small_learning(), new_folder(folder, std::to_string(threads)));
    if (first.empty()) first = state;
    CHECK(state == first);
  }
  set_num_threads(before);
}

TEST_CASE("continual learning that is broken off anywhere goes on with the same bits") {
  const TemporaryFolder folder;
  const LearnConfig config = small_learning();
  const auto whole = learned(config, new_folder(folder, "whole"));
  const std::string broken = new_folder(folder, "broken");
  AccuracyMatrix accuracy;
  Ledger ledger;
  bool finished = false;
  for (int64_t part = 0; !finished; ++part) {
    ContinualTrainer trainer(config, small_stream(config), broken);
    if (part) trainer.resume();
    // Thrown out of in the middle, as a kill would: what was done since the checkpoint is lost.
    const int64_t stop_at = trainer.learner().step + 4 + part % 3;
    try {
      finished = trainer.run({.step = [&](const LearnStep& report) {
        if (report.step == stop_at) throw std::runtime_error("killed");
      }});
    } catch (const std::runtime_error&) {
    }
    accuracy = trainer.accuracy();
    ledger = trainer.ledger();
  }
  CHECK(state_of(broken) == whole);
  ContinualTrainer again(config, small_stream(config), new_folder(folder, "again"));
  again.run();
  CHECK(accuracy == again.accuracy());
  CHECK(ledger.rows == again.ledger().rows);
  CHECK(ledger.multiply_accumulates == again.ledger().multiply_accumulates);
}

TEST_CASE("the ledger counts each row, replayed ones too, and the bytes that are held") {
  const TemporaryFolder folder;
  for (const char* method : {"naive", "er"}) {
    const LearnConfig config = small_learning(method);
    const bool replays = config.method == "er";
    ContinualTrainer trainer(config, small_stream(config), new_folder(folder, method));
    trainer.run();
    // 320 images a task, in 20 batches of 16; every step but the first draws as many from memory.
    const int64_t new_rows = 2 * 3 * 320;
    const Ledger ledger = trainer.ledger();
    CHECK(ledger.rows == new_rows + (replays ? new_rows - 16 : 0));
    CHECK(ledger.memory_bytes == (replays ? 40 * (64 + 4) : 0));
    CHECK(ledger.model_bytes == 4 * trainer.learner().network->parameter_count());
    CHECK(ledger.method_bytes == 0);
    // 64-32-32-4: three passes of its products, and a twentieth at most for biases and ReLU.
    const double products = 3.0 * (64 * 32 + 32 * 32 + 32 * 4) * double(ledger.rows);
    CHECK(double(ledger.multiply_accumulates) >= products);
    CHECK(double(ledger.multiply_accumulates) < 1.05 * products);
    REQUIRE(trainer.ledgers().size() == 3);
    CHECK(trainer.ledgers()[0].rows == 0);
    CHECK(trainer.ledgers()[2].rows == ledger.rows);
  }
}

TEST_CASE("each image of a task is offered to memory once, in the first of its epochs") {
  const TemporaryFolder folder;
  LearnConfig config = small_learning();
  config.first_epochs = config.epochs = 2;
  config.memory_samples = 640;  // all there are
  ContinualTrainer trainer(config, small_stream(config), new_folder(folder, "run"));
  const ReplayMemory& memory = *trainer.learner().memory;
  CHECK(trainer.run_task());
  CHECK(memory.size() == 320);
  CHECK(trainer.run_task());
  REQUIRE(memory.size() == 640);
  std::set<std::vector<uint8_t>> images;
  int64_t of_first = 0;
  for (int64_t slot = 0; slot < 640; ++slot) {
    std::vector<uint8_t> pixels(64);
    memory.read_pixels(slot, pixels.data());
    images.insert(pixels);
    of_first += memory.task(slot) == 0;
  }
  CHECK(images.size() == 640);
  CHECK(of_first == 320);
}

TEST_CASE("every way to fill the memory goes on with the same bits, on other threads too") {
  const TemporaryFolder folder;
  const int before = num_threads();
  for (const std::string& name : selection_names()) {
    INFO(name);
    LearnConfig config = small_learning();
    config.epochs = 1;
    config.selection = name;
    set_num_threads(1);
    const auto whole = learned(config, new_folder(folder, name));
    set_num_threads(3);
    const std::string broken = new_folder(folder, name + " broken");
    ContinualTrainer trainer(config, small_stream(config), broken);
    // In the second task, a step after a checkpoint.
    CHECK_THROWS_AS(trainer.run({.step =
                                     [](const LearnStep& report) {
                                       if (report.step == 28) throw std::runtime_error("killed");
                                     }}),
                    std::runtime_error);
    ContinualTrainer resumed(config, small_stream(config), broken);
    resumed.resume();
    CHECK(resumed.run());
    CHECK(state_of(broken) == whole);
    const ReplayMemory& memory = *resumed.learner().memory;
    CHECK(memory.size() == 40);
    float highest = 0;
    for (int64_t slot = 0; memory.layout().score && slot < 40; ++slot)
      highest = std::max(highest, memory.score(slot));
    CHECK(memory.layout().score == (highest > 0));
  }
  set_num_threads(before);
}

TEST_CASE("a network for other images or classes than the stream's is refused") {
  const auto refused = [](auto change) {
    ViTConfig shape = small_vit()->config;
    change(shape);
    return refusal_of([&] {
      const LearnConfig config = small_learning();
      Generator generator(1);
      ContinualTrainer(config, small_stream(config), "",
                       std::make_unique<VisionTransformer>(shape, generator));
    });
  };
  for (const int64_t classes : {3, 5})
    CHECK(refused([&](ViTConfig& shape) { shape.classes = classes; }) ==
          "ContinualTrainer: network is for images [8, 8, 1] and " + std::to_string(classes) +
              " classes; expected for images [8, 8, 1] and 4 classes; give one for this "
              "stream, whose classes are those of all tasks");
  CHECK(contains(refused([](ViTConfig& shape) { shape.image_size = 16; }),
                 "network is for images [16, 16, 1] and 4 classes"));
  CHECK(contains(refused([](ViTConfig& shape) { shape.channels = 3; }),
                 "network is for images [8, 8, 3] and 4 classes"));
}

TEST_CASE("a checkpoint of other settings is refused") {
  const TemporaryFolder folder;
  LearnConfig config = small_learning();
  const std::string run = new_folder(folder, "run");
  learned(config, run);
  config.learning_rate = 0.02;
  ContinualTrainer other(config, small_stream(config), run);
  CHECK_THROWS_WITH_AS(
      other.resume(),
      (run + "/checkpoints/last.safetensors: belongs to a run with other settings").c_str(), Error);
}
