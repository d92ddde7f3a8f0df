// What is told of compressed streams: reports, pictures, and what made classes forgotten.
#include "cl/efficiency.h"

#include "cl/attribution.h"
#include "cl/plots.h"
#include "engine/io/file.h"
#include "tests/refusal.h"
#include "tests/temporary_folder.h"

using namespace espalier;
using namespace espalier::test;

namespace {

using Counts = std::vector<ClassCount>;

TaskEfficiency made_up(int64_t task, const Counts& artefact, const Counts& pruned) {
  TaskEfficiency made{.task = task, .path = "artefacts/x", .dtype = "int8", .sparsity = 0.5};
  made.parameters = 400;
  made.file_bytes = 500;
  made.memory_bytes = 3000;
  made.forms = {{"f32", 1000, 2e-3, 0.75, false}, {"int8", 500, 1e-3, 0.5, true}};
  made.meets_budget = task == 0;
  made.accuracy = std::vector<double>(static_cast<size_t>(task) + 1, accuracy_of(artefact));
  made.speeds = {{1, 1e-3, 0.02, 4.5}, {256, 0.1, 0.01, 4}};
  made.learned = pruned;
  made.pruned = pruned;
  made.artefact = artefact;
  made.ledger = {.memory_bytes = 7, .rows = 100, .seconds = 1.5};
  return made;
}

// Two tasks of a class each, of 100 images.
EfficiencySummary summary_of(const std::vector<TaskEfficiency>& tasks) {
  return {"net", {"cat", "dog"}, {"first", "second"}, 4000, 1000, 6000, tasks};
}

EfficiencySummary compressed() {
  return summary_of({made_up(0, {{90, 100}, {}}, {{91, 100}, {}}),
                     made_up(1, {{50, 100}, {80, 100}}, {{58, 100}, {81, 100}})});
}

EfficiencySummary control() {
  EfficiencySummary summary = summary_of({made_up(0, {{95, 100}, {}}, {{95, 100}, {}}),
                                          made_up(1, {{70, 100}, {85, 100}}, {{70, 100}, {}})});
  for (TaskEfficiency& task : summary.tasks) {
    task.dtype = "f32";
    task.parameters = 1000;
  }
  return summary;
}

doctest::Approx near(double value) { return doctest::Approx(value).epsilon(1e-12); }

}  // namespace

TEST_CASE("what a class lost is split into learning, pruning and rounding") {
  const std::vector<ClassLoss> losses = attribute_losses(compressed(), control());
  REQUIRE(losses.size() == 2);
  const ClassLoss& cat = losses[0];
  CHECK(cat.name == "cat");
  CHECK(cat.best == near(0.95));      // of the control, after the first task
  CHECK(cat.learning == near(0.25));  // 95 less 70
  CHECK(cat.pruning == near(0.12));   // 70 less 58
  CHECK(cat.rounding == near(0.08));  // 58 less 50
  CHECK(cat.total() == near(cat.learning + cat.pruning + cat.rounding));
  // 1.96 sqrt(0.7 * 0.3 / 100 + 0.5 * 0.5 / 100): 13.3 points against 20.
  CHECK(cat.half_interval == near(1.96 * std::sqrt(0.0046)));
  CHECK(cat.compression_is_certain());
  CHECK(losses[1].learning == 0);
  CHECK(losses[1].compression() == near(0.05));
  CHECK(!losses[1].compression_is_certain());
  const std::string text = attribution_text(losses);
  CHECK(contains(text,
                 "cat lost the most, 45.0 points: learning made 25.0, pruning 12.0 and "
                 "rounding 8.0"));
  CHECK(contains(text, "5.0 ± 10.5 (may be chance)"));
}

TEST_CASE("an attribution takes a control that nothing was removed from") {
  const auto refused = [](const EfficiencySummary& a, const EfficiencySummary& b) {
    return refusal_of([&] { attribute_losses(a, b); });
  };
  CHECK(contains(refused(compressed(), compressed()), "compressed after task 1"));
  EfficiencySummary other = control();
  other.task_names[0] = "another";
  CHECK(contains(refused(compressed(), other), "the same stream"));
  other = control();
  other.tasks[0].accuracy.clear();
  CHECK(contains(refused(compressed(), other), "without measurements after task 1"));
  other = control();
  other.tasks[1].artefact[0].images = 99;
  CHECK(contains(refused(compressed(), other), "tested on other images"));
  CHECK(contains(refused(summary_of({}), control()), "no task"));
}

TEST_CASE("a report holds the last artefact against the network as it began") {
  EfficiencySummary summary = compressed();
  const std::string text = efficiency_report(summary);
  for (const char* words :
       {"0.12 of the 4.00 kB of net", "0.40 of the parameters", "0.50 of the memory",
        "4.5 times as fast (one image)", "| 2: second", "65.00 %", "25.00 %"})
    CHECK_MESSAGE(contains(text, words), text);
  for (TaskEfficiency& task : summary.tasks) task.accuracy.clear();
  CHECK(contains(refusal_of([&] { efficiency_report(summary); }), "without a task"));
}

TEST_CASE("a summary comes back from its JSON") {
  const EfficiencySummary summary = compressed();
  const std::string text = to_json(summary);
  CHECK(to_json(efficiency_from_json(text, "here")) == text);
  const EfficiencySummary back = efficiency_from_json(text, "here");
  CHECK(back.tasks[1].ledger.seconds == 1.5);
  REQUIRE(back.tasks[0].forms.size() == 2);
  CHECK(back.tasks[0].forms[1].dtype == "int8");
  CHECK(back.tasks[0].forms[1].chosen);
  CHECK(back.tasks[0].meets_budget);
  CHECK(!back.tasks[1].meets_budget);
  CHECK(contains(refusal_of([] { efficiency_from_json("{}", "here"); }, ErrorKind::file),
                 "here: damaged summary"));
}

TEST_CASE("streams become pictures") {
  const TemporaryFolder folder;
  const AccuracyMatrix matrix = {{0, 0.5}, {0.9, 0.5}, {0.5, 0.8}};
  const auto written = [&](const char* name) {
    return contains(read_text(folder.file(name)).substr(0, 4), "PNG");
  };
  plot_accuracy_matrix(matrix, {"first", "second"}, folder.file("matrix"));
  CHECK(written("matrix"));
  const std::vector<LearnedRun> runs = {{"er", matrix}, {"naive", matrix}};
  plot_learning_over_tasks(runs, folder.file("learning"));
  CHECK(written("learning"));
  EfficiencySummary summary = compressed();
  plot_efficiency_over_tasks(summary, folder.file("efficiency"));
  CHECK(written("efficiency"));
  summary.tasks.erase(summary.tasks.begin());  // one task that was measured, without speeds
  summary.tasks[0].speeds.clear();
  plot_efficiency_over_tasks(summary, folder.file("short"));
  CHECK(written("short"));
  CHECK(
      contains(refusal_of([&] { plot_accuracy_matrix(matrix, {"first"}, "x"); }), "one a column"));
  CHECK(contains(refusal_of([] { plot_learning_over_tasks({}, "x"); }), "runs is none"));
  CHECK(contains(refusal_of([] { plot_efficiency_over_tasks(summary_of({}), "x"); }),
                 "without a task"));
}
