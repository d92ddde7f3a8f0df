// Training: the same bits for any number of threads, and after any kill.
#include "nn/trainer.h"

#include "tests/refusal.h"
#include "tests/small_training.h"

namespace espalier::test {

TEST_CASE("a training learns, and ends with the same bits on 1, 2, 3 and 8 threads") {
  check_thread_counts(small_run("f32"));
  check_thread_counts(small_run("bf16"));
}

TEST_CASE("a run that is broken off anywhere and resumed ends with the same bits") {
  check_resuming(small_run("f32"));
  check_resuming(small_run("bf16"));
}

TEST_CASE("an interrupt saves and says so; a foreign checkpoint is refused") {
  const TemporaryFolder folder;
  const std::string run = new_run(folder, "run");
  Trainer trainer(small_run(), stripes(320, 1), stripes(10, 2), run);
  CHECK(!trainer.run({.interrupted = [] { return true; }}));
  CHECK(trainer.step() == 1);
  TrainConfig other = small_run();
  other.seed = 9;
  Trainer foreign(other, stripes(320, 1), stripes(10, 2), run);
  CHECK_THROWS_AS(foreign.resume(), Error);
  CHECK(load_run_config(run).model.width == 16);
  CHECK_THROWS_AS(load_run_config(folder.file("absent")), Error);
}

TEST_CASE("without validation images nothing is said of any") {
  const TemporaryFolder folder;
  TrainConfig config = small_run();
  config.epochs = 2;
  Trainer trainer(config, stripes(320, 1), {}, new_run(folder, "run"));
  int64_t epochs = 0;
  CHECK(trainer.run({.epoch = [&](const EpochReport& r) {
    CHECK(!r.validation);
    ++epochs;
  }}));
  CHECK(epochs == 2);
  const auto metadata = load_safetensors(trainer.best_checkpoint()).metadata;
  CHECK(metadata.at("espalier.epoch") == "2");
  CHECK(metadata.count("espalier.validation_accuracy") == 0);
}

TEST_CASE("a training in f16 is refused on the CPU, before anything is made of it") {
  const TemporaryFolder folder;
  const std::string message = refusal_of(
      [&] { Trainer(small_run("f16"), stripes(320, 1), stripes(10, 2), folder.file("absent")); });
  CHECK(contains(message, "precision is 'f16' on the CPU; expected 'f32' or 'bf16' there"));
  CHECK(contains(message, "--device cuda"));
  CHECK(contains(refusal_of([&] { validate(small_run("f8")); }), "'f32', 'bf16' or 'f16'"));
}

TEST_CASE("a loss that is no longer finite stops the run and names step and checkpoint") {
  const TemporaryFolder folder;
  TrainConfig config = small_run();
  config.learning_rate = 1e30;
  config.clip_norm = 0;
  const std::string run = new_run(folder, "run");
  Trainer trainer(config, stripes(320, 1), stripes(10, 2), run);
  try {
    trainer.run();
    CHECK(false);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::numeric);
    CHECK(std::string(error.what()).find("at step ") != std::string::npos);
    CHECK(std::string(error.what()).find("last.safetensors") != std::string::npos);
  }
  CHECK_NOTHROW(load_safetensors(trainer.last_checkpoint()));
}

}  // namespace espalier::test
