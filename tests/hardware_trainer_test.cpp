// A stream learned by a network that is pruned and rounded after each task.
#include "cl/hardware_trainer.h"

#include <filesystem>

#include "cl/attribution.h"
#include "cl/learn_config.h"
#include "engine/io/file.h"
#include "nn/evaluate.h"
#include "nn/model_file.h"
#include "tests/refusal.h"
#include "tests/run_state.h"
#include "tests/small_stream.h"
#include "tests/temporary_folder.h"

using namespace espalier;
using namespace espalier::test;

namespace {

LearnConfig small_vit_learning(const std::string& method = "er") {
  LearnConfig config = small_learning(method);
  config.optimizer = "adamw";
  config.learning_rate = 5e-3;
  config.epochs = 3;
  config.batch_size = 16;
  config.checkpoint_steps = 8;
  return config;
}

std::unique_ptr<VisionTransformer> small_vit(double drop_path = 0) {
  Generator generator(3);
  return std::make_unique<VisionTransformer>(ViTConfig{.image_size = 8,
                                                       .classes = 4,
                                                       .conv_channels = {4},
                                                       .width = 16,
                                                       .depth = 2,
                                                       .heads = 2,
                                                       .mlp_hidden = 16,
                                                       .drop_path = drop_path},
                                             generator);
}

// Timed as shortly as can be.
HardwareOptions small_options() {
  HardwareOptions options;
  options.width_steps = {};
  options.recover_epochs = 2;
  options.benchmark = {.batches = {1, 8},
                       .threads = 1,
                       .measure = {.sample_seconds = 1e-5, .samples = 3},
                       .energy_folder = "none"};
  return options;
}

struct Run {
  LearnConfig config = small_vit_learning();
  HardwareOptions options = small_options();
  std::string folder{};
  double drop_path = 0;

  // Of a network in evaluation mode, as a copy of another is.
  HardwareOptimizedTrainer trainer() const {
    auto network = small_vit(drop_path);
    network->eval();
    return {config, small_stream(config), folder, options, std::move(network)};
  }
};

Run run_in(const TemporaryFolder& folder, const std::string& name) {
  std::filesystem::create_directories(folder.file(name + "/checkpoints"));
  Run run;
  run.folder = folder.file(name);
  return run;
}

EfficiencySummary learned(const Run& run) {
  HardwareOptimizedTrainer trainer = run.trainer();
  CHECK(trainer.run());
  return trainer.get_efficiency_summary();
}

struct Killed {};

// The same in many parts, each killed in a step, or between a task's last checkpoint and its
// compression. The rows that it took.
int64_t learned_in_parts(const Run& run) {
  int64_t rows = 0;
  bool finished = false;
  for (int64_t part = 0; !finished; ++part) {
    HardwareOptimizedTrainer trainer = run.trainer();
    if (part) trainer.resume();
    const int64_t stop_at = trainer.trainer().learner().step + 11 + part % 3;
    try {
      finished = trainer.run({.step =
                                  [&](const LearnStep& report) {
                                    if (report.step == stop_at) throw Killed();
                                  },
                              .task =
                                  [&](const TaskResult& result) {
                                    if (result.task >= 0) throw Killed();
                                  }});
    } catch (const Killed&) {
    }
    rows = trainer.trainer().ledger().rows;
  }
  return rows;
}

// That two runs left the same artefacts and the same state, to the bit.
void check_same_run(const Run& a, const Run& b) {
  for (int64_t task = 1; task <= a.config.stream.tasks; ++task) {
    const std::string path = "/artefacts/task-" + std::to_string(task) + ".safetensors";
    CHECK_MESSAGE(read_text(a.folder + path) == read_text(b.folder + path), path);
  }
  CHECK(state_of(a.folder) == state_of(b.folder));
}

}  // namespace

TEST_CASE("artefacts shrink with the schedule and are measured on their files") {
  const TemporaryFolder folder;
  const Run run = run_in(folder, "run");
  const EfficiencySummary summary = learned(run);
  REQUIRE(summary.tasks.size() == 2);
  const Stream stream = small_stream(run.config);
  const int64_t whole = summary.uncompressed_parameters;
  CHECK(whole == small_vit()->parameter_count());
  double removed = 0;
  for (const TaskEfficiency& task : summary.tasks) {
    const std::string path = run.folder + "/" + task.path;
    CHECK(task.dtype == "int8");
    CHECK(task.sparsity > removed);
    removed = task.sparsity;
    CHECK(static_cast<double>(task.parameters) <= (1 - task.sparsity) * static_cast<double>(whole));
    CHECK(task.file_bytes == static_cast<int64_t>(std::filesystem::file_size(path)));
    const LoadedModel file = load_model(path);
    CHECK(file.dtype == "int8");
    CHECK(file.config.parameter_count() == task.parameters);
    REQUIRE(task.accuracy.size() == static_cast<size_t>(task.task) + 1);
    for (size_t t = 0; t < task.accuracy.size(); ++t)
      CHECK(task.accuracy[t] ==
            evaluate(file.graph, file.config, stream.tasks[t].test, file.options).accuracy());
    REQUIRE(task.speeds.size() == 2);
    CHECK(task.speeds[1].batch == 8);
    CHECK(task.speeds[1].times_as_fast > 0);
    CHECK(task.memory_bytes > 0);
    CHECK(task.ledger.rows > 0);
  }
  CHECK(removed == 0.5);
  CHECK(summary.tasks[1].parameters < summary.tasks[0].parameters);
  CHECK(summary.tasks[1].average_accuracy() > 0.7);
}

TEST_CASE("a compressed stream that is killed anywhere writes the same artefacts") {
  const TemporaryFolder folder;
  Run whole = run_in(folder, "whole"), broken = run_in(folder, "broken");
  whole.config.epochs = broken.config.epochs = 1;
  learned(whole);
  const int64_t rows = learned_in_parts(broken);
  check_same_run(whole, broken);
  HardwareOptimizedTrainer again = whole.trainer();
  again.resume();
  CHECK(again.finished());
  CHECK(again.trainer().ledger().rows == rows);
  CHECK(contains(refusal_of([&] { again.train_task(); }), "stream is at its end"));
  Run other = whole;
  other.options.sparsity = 0.4;
  HardwareOptimizedTrainer foreign = other.trainer();
  CHECK(contains(refusal_of([&] { foreign.resume(); }, ErrorKind::file), "other options"));
}

TEST_CASE("a control that is killed anywhere recovers with the drop path of one that was not") {
  const TemporaryFolder folder;
  Run whole = run_in(folder, "whole"), broken = run_in(folder, "broken");
  for (Run* run : {&whole, &broken}) {
    run->config.epochs = 1;
    run->options.control = true;
    run->drop_path = 0.5;
  }
  learned(whole);
  learned_in_parts(broken);
  check_same_run(whole, broken);
}

TEST_CASE("a frozen trunk is pruned after every task, in a run that is taken up too") {
  const TemporaryFolder folder;
  Run whole = run_in(folder, "whole"), broken = run_in(folder, "broken");
  for (Run* run : {&whole, &broken}) {
    run->config.method = "frozen";
    run->config.stream.tasks = 4;
    run->config.epochs = 1;
  }
  const EfficiencySummary summary = learned(whole);
  REQUIRE(summary.tasks.size() == 4);
  CHECK(summary.tasks[1].parameters < summary.tasks[0].parameters);
  CHECK(summary.tasks[2].parameters < summary.tasks[1].parameters);
  CHECK(broken.trainer().train_task());
  HardwareOptimizedTrainer taken_up = broken.trainer();
  taken_up.resume();
  CHECK(taken_up.run());
  check_same_run(whole, broken);
}

TEST_CASE("a target chooses among all forms of a task's network, within its budget") {
  const TemporaryFolder folder;
  Run run = run_in(folder, "run");
  run.config.epochs = 1;
  run.options.target = "size";
  run.options.quantise_when = CompressWhen::at_the_end;
  const EfficiencySummary summary = learned(run);
  CHECK(summary.tasks[0].forms.empty());
  CHECK(summary.tasks[0].dtype == "f32");
  const TaskEfficiency& last = summary.tasks[1];
  REQUIRE(last.forms.size() == artefact_dtypes().size());
  int64_t chosen = 0, smallest = last.forms[0].file_bytes;
  double least = 0;  // accuracy, of the rule of thumb's form
  for (const TaskEfficiency::Form& form : last.forms) {
    CHECK(form.seconds > 0);
    smallest = std::min(smallest, form.file_bytes);
    if (form.dtype == "int8") least = form.accuracy;
    if (!form.chosen) continue;
    ++chosen;
    CHECK(form.dtype == last.dtype);
    CHECK(form.file_bytes == last.file_bytes);
  }
  CHECK(chosen == 1);
  for (const TaskEfficiency::Form& form : last.forms)
    if (form.accuracy >= least) CHECK(form.file_bytes >= last.file_bytes);
  CHECK(last.meets_budget);
  CHECK(load_model(run.folder + "/" + last.path).dtype == last.dtype);
  CHECK(contains(form_table(summary), "chosen"));

  Run tight = run_in(folder, "tight");
  tight.config.epochs = 1;
  tight.options.target = "accuracy";
  tight.options.quantise_when = CompressWhen::at_the_end;
  tight.options.budget.bytes = 1;
  const TaskEfficiency over = learned(tight).tasks[1];
  CHECK(!over.meets_budget);
  CHECK(over.file_bytes == smallest);
}

TEST_CASE("a target that nothing is known of, or a budget without one, is refused") {
  const auto refused = [](const std::function<void(HardwareOptions&)>& change) {
    HardwareOptions options = small_options();
    change(options);
    return refusal_of([&] { validate(options); });
  };
  CHECK(contains(refused([](HardwareOptions& o) { o.target = "beauty"; }), "beauty"));
  CHECK(contains(refused([](HardwareOptions& o) { o.budget.bytes = 5; }), "budget"));
  CHECK(contains(refused([](HardwareOptions& o) {
                   o.target = "size";
                   o.quantise = false;
                 }),
                 "quantise"));
}

TEST_CASE("a control differs from a compressed run by compression alone") {
  const TemporaryFolder folder;
  Run run = run_in(folder, "run"), control = run_in(folder, "control");
  run.config.epochs = control.config.epochs = 1;
  control.options.control = true;
  HardwareOptimizedTrainer trainer = run.trainer(), plain = control.trainer();
  CHECK(trainer.train_task());
  CHECK(plain.train_task());
  CHECK(trainer.trainer().ledger().rows == plain.trainer().ledger().rows);
  const TaskEfficiency& there = plain.get_efficiency_summary().tasks[0];
  CHECK(there.dtype == "f32");
  CHECK(there.file_bytes == plain.get_efficiency_summary().uncompressed_bytes);
  const auto losses =
      attribute_losses(trainer.get_efficiency_summary(), plain.get_efficiency_summary());
  CHECK(losses.size() == 2);
}

TEST_CASE("compression at the end leaves learning as it is without") {
  const TemporaryFolder folder;
  Run plain = run_in(folder, "plain"), late = run_in(folder, "late");
  plain.config.epochs = late.config.epochs = 1;
  plain.options.prune = plain.options.quantise = false;
  late.options.prune_when = late.options.quantise_when = CompressWhen::at_the_end;
  late.options.dtype = "w4";
  late.options.track = false;
  late.options.recover_epochs = 0;
  const EfficiencySummary control = learned(plain), summary = learned(late);
  CHECK(read_text(plain.folder + "/artefacts/task-1.safetensors") ==
        read_text(late.folder + "/artefacts/task-1.safetensors"));
  CHECK(summary.tasks[0].dtype == "f32");
  CHECK(!summary.tasks[0].measured());
  CHECK(summary.tasks[0].parameters == summary.uncompressed_parameters);
  CHECK(summary.tasks[1].dtype == "w4");
  CHECK(summary.tasks[1].measured());
  CHECK(2 * summary.tasks[1].parameters <= summary.uncompressed_parameters);
  // Four bits of what pruning has left tell the file's answers from the network's.
  const LoadedModel file = load_model(late.folder + "/" + summary.tasks[1].path);
  const Stream stream = small_stream(late.config);
  for (size_t t = 0; t < 2; ++t)
    CHECK(summary.tasks[1].accuracy[t] ==
          evaluate(file.graph, file.config, stream.tasks[t].test, file.options).accuracy());
  CHECK(accuracy_of(summary.tasks[1].artefact) != accuracy_of(summary.tasks[1].pruned));
  const TaskEfficiency& last = control.tasks[1];
  CHECK(last.file_bytes == control.uncompressed_bytes);
  for (size_t c = 0; c < 4; ++c) CHECK(last.artefact[c].right == last.learned[c].right);
  // What it learned before pruning is what the control learned.
  for (size_t c = 0; c < 4; ++c) CHECK(summary.tasks[1].learned[c].right == last.learned[c].right);
}

TEST_CASE("options of compression that make no sense are refused") {
  const TemporaryFolder folder;
  const auto refused = [&](auto change, const char* words) {
    Run run = run_in(folder, "run");
    change(run);
    CHECK_MESSAGE(contains(refusal_of([&] { run.trainer(); }), words), words);
  };
  refused([](Run& r) { r.options.dtype = "int7"; }, "dtype is 'int7'");
  refused([](Run& r) { r.options.sparsity = 1; }, "sparsity is 1.0");
  refused([](Run& r) { r.options.sparsity = 0.999; }, "fraction");
  refused([](Run& r) { r.options.recover_epochs = -1; }, "recover_epochs is -1");
  refused([](Run& r) { r.options.calibration_images = 0; }, "calibration_images is 0");
  refused([](Run& r) { r.options.importance = "size"; }, "importance is 'size'");
  refused([](Run& r) { r.config.method = "naive"; }, "0 with the method 'naive'");
  for (const char* method : {"lora", "adapter", "prompts", "ncm", "joint"})
    refused(
        [&](Run& r) {
          r.config.method = method;
          r.config.network = "vit-tiny";
          r.options.prune = false;
        },
        "expected one that learns what an artefact holds");
  const LearnConfig mlp = small_learning();
  CHECK(contains(refusal_of([&] {
                   HardwareOptimizedTrainer(mlp, small_stream(mlp), folder.path(), small_options());
                 }),
                 "network is 'mlp'; expected a Vision Transformer"));
}

TEST_CASE("a network gives way between tasks, to one of its kind, where nothing keeps its widths") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.file("checkpoints"));
  const LearnConfig config = small_vit_learning();
  const auto refused = [](ContinualTrainer& trainer, std::unique_ptr<VisionTransformer> network) {
    return refusal_of([&] { trainer.replace_network(std::move(network), {}); });
  };
  ContinualTrainer mlp(config, small_stream(config), folder.path());
  CHECK(contains(refused(mlp, small_vit()), "no Vision Transformer"));
  ContinualTrainer trainer(config, small_stream(config), folder.path(), small_vit());
  ViTConfig other = small_vit()->config;
  other.classes = 5;
  Generator generator(1);
  CHECK(contains(refused(trainer, std::make_unique<VisionTransformer>(other, generator)),
                 "for other images or classes"));
  CHECK(!trainer.run_task({.interrupted = [] { return true; }}));
  CHECK(contains(refused(trainer, small_vit()), "step 1 of a task"));

  for (const char* method : {"icarl", "lwf"}) {
    LearnConfig keeps = config;
    keeps.method = method;
    HardwareOptions options = small_options();
    options.recover_epochs = 0;
    CHECK(contains(refusal_of([&] {
                     HardwareOptimizedTrainer(keeps, small_stream(keeps), folder.path(), options,
                                              small_vit());
                   }),
                   "keeps nothing of the network's widths"));
    ContinualTrainer by_hand(keeps, small_stream(keeps), folder.path(), small_vit());
    CHECK(contains(refused(by_hand, small_vit()), "keeps nothing of the network's widths"));
  }
}
