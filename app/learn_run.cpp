#include "app/learn_run.h"

#include <cstdio>
#include <filesystem>
#include <numeric>

#include "app/interrupt.h"
#include "app/learn_report.h"
#include "app/progress.h"
#include "app/progress_file.h"
#include "app/run_folder.h"
#include "cl/hardware_trainer.h"
#include "engine/io/json.h"

namespace espalier::app {
namespace {

std::string described(const LearnStep& step, const Stream& stream) {
  char text[120];
  std::snprintf(text, sizeof text, "task %lld of %zu  loss %.3f  %.0f images/s",
                static_cast<long long>(step.task + 1), stream.tasks.size(), step.loss,
                step.images_per_second);
  return text;
}

// "task 2 of 5 (Pullover + Dress): accuracy 93.1  87.5 %, mean of tasks so far 90.30 %, 1:02".
std::string described(const TaskResult& result, const Stream& stream) {
  if (result.task < 0) return "";
  const auto seen = static_cast<size_t>(result.task + 1);
  const double mean =
      std::accumulate(result.accuracy.begin(), result.accuracy.begin() + result.task + 1, 0.0) /
      static_cast<double>(seen);
  std::string text = "task " + std::to_string(seen) + " of " + std::to_string(stream.tasks.size()) +
                     " (" + stream.tasks[seen - 1].name + "): accuracy";
  char number[64];
  for (size_t t = 0; t < seen; ++t) {
    std::snprintf(number, sizeof number, " %.1f", 100 * result.accuracy[t]);
    text += number;
  }
  std::snprintf(number, sizeof number, " %%, mean %.2f %%, ", 100 * mean);
  text += number;
  const ZeroShot& unseen = result.zero_shot;
  if (unseen.classes > 1) {
    std::snprintf(number, sizeof number, "%lld classes to come %.1f %% (chance %.1f), ",
                  static_cast<long long>(unseen.classes), 100 * unseen.accuracy(),
                  100 * unseen.chance());
    text += number;
  }
  return text + clock_text(result.seconds);
}

std::string json_of(const LearnStep& step) {
  return Json{{"step", step.step},
              {"task", step.task},
              {"loss", step.loss},
              {"images_per_second", step.images_per_second}}
      .dump();
}

std::string json_of(const TaskResult& result) {
  Json json = {{"step", result.step},
               {"task", result.task},
               {"accuracy", result.accuracy},
               {"seconds", result.seconds}};
  if (result.zero_shot.classes > 1) json["zero_shot"] = result.zero_shot.accuracy();
  return json.dump();
}

// "er on split (5 tasks), mlp (269322 parameters), memory of 82 samples in 64.6 kB".
std::string described(const LearnRun& run, const Learner& learner) {
  std::string text = run.config.method + " on " + learner.stream.name + " (" +
                     std::to_string(learner.stream.tasks.size()) + " tasks), " +
                     run.config.network + " (" +
                     std::to_string(learner.network->parameter_count()) + " parameters)";
  if (learner.memory) {
    char size[80];
    std::snprintf(size, sizeof size, ", memory of %lld samples in %.1f kB",
                  static_cast<long long>(learner.memory->capacity()),
                  static_cast<double>(learner.memory->bytes()) * 1e-3);
    text += size;
  }
  return text;
}

// "  as int8: 41099 parameters, 61.1 kB, batch 1 3.21 times as fast, ..., accuracy 79.50 %".
std::string described(const TaskEfficiency& artefact) {
  char text[200];
  std::snprintf(text, sizeof text, "  as %s: %lld parameters, %.1f kB", artefact.dtype.c_str(),
                static_cast<long long>(artefact.parameters),
                1e-3 * static_cast<double>(artefact.file_bytes));
  std::string line = text;
  if (!artefact.measured()) return line;
  for (const TaskEfficiency::Speed& speed : artefact.speeds) {
    std::snprintf(text, sizeof text, ", batch %lld %.2f times as fast",
                  static_cast<long long>(speed.batch), speed.times_as_fast);
    line += text;
  }
  std::snprintf(text, sizeof text, ", accuracy %.2f %%", 100 * artefact.average_accuracy());
  return line + text + (artefact.meets_budget ? "" : "; over budget");
}

constexpr const char* learning_stage = "learning task after task";

LearnEvents events_for(const Stream& stream, MetricsFile& metrics, Progress& progress) {
  return {
      .step =
          [&](const LearnStep& step) {
            metrics.write(json_of(step));
            progress.update(step.step, step.steps, described(step, stream));
          },
      .task =
          [&](const TaskResult& result) {
            metrics.write(json_of(result));
            if (result.task >= 0) progress.line(described(result, stream));
          },
      .interrupted = interrupt_requested,
  };
}

bool exists_in(const std::string& folder) {
  return std::filesystem::exists(folder + "/checkpoints/last.safetensors");
}

ExitCode learn_plainly(const LearnRun& run, Stream stream, Progress& progress) {
  ContinualTrainer trainer(run.config, std::move(stream), run.folder, nullptr, run.device);
  if (run.resume)
    trainer.resume();
  else
    create_run_folder(run.folder, to_json(run.config));
  MetricsFile metrics(run.folder, trainer.learner().step);
  begin_stage(learning_stage);
  progress.line(described(run, trainer.learner()) + " in " + run.folder);
  const bool finished = trainer.run(events_for(trainer.learner().stream, metrics, progress));
  write_learn_report(run.folder, trainer);
  return finished ? done : interrupted;
}

HardwareOptions hardware_options(const LearnConfig& c) {
  const CompressWhen when = c.compress_at_end ? CompressWhen::at_the_end : CompressWhen::each_task;
  HardwareOptions options;
  options.quantise = c.compress != "f32";
  if (c.compress == "auto")
    options.target = c.target;
  else if (options.quantise)
    options.dtype = c.compress;
  if (c.max_megabytes > 0) options.budget.bytes = 1e6 * c.max_megabytes;
  if (c.max_milliseconds > 0) options.budget.seconds = 1e-3 * c.max_milliseconds;
  options.quantise_when = options.prune_when = when;
  options.prune = c.sparsity > 0;
  if (options.prune) options.sparsity = c.sparsity;
  options.sparsity_of = c.sparsity_of;
  options.recover_epochs = c.recover_epochs;
  options.benchmark.measure.budget_seconds = c.seconds;
  return options;
}

// One run with artefacts, to its end or an interrupt.
bool finish(HardwareOptimizedTrainer& trainer, const std::string& folder, Progress& progress) {
  const Learner& learner = trainer.trainer().learner();
  MetricsFile metrics(folder, learner.step);
  const LearnEvents events = events_for(learner.stream, metrics, progress);
  while (!trainer.finished()) {
    if (!trainer.train_task(events)) return false;
    progress.line(described(trainer.get_efficiency_summary().tasks.back()));
  }
  return true;
}

// Where the last artefact misses its budget, says so by the exit code.
ExitCode learn_and_compress(const LearnRun& run, const Stream& stream, Progress& progress) {
  HardwareOptions options = hardware_options(run.config);
  HardwareOptimizedTrainer trainer(run.config, stream, run.folder, options, nullptr, run.device);
  if (run.resume)
    trainer.resume();
  else
    create_run_folder(run.folder, to_json(run.config));
  begin_stage(learning_stage);
  progress.line(described(run, trainer.trainer().learner()) + " in " + run.folder);
  const bool finished = finish(trainer, run.folder, progress);
  const EfficiencySummary& summary = trainer.get_efficiency_summary();
  write_learn_report(run.folder, trainer.trainer(), {&summary});
  if (!finished) return interrupted;
  const ExitCode code = summary.tasks.back().meets_budget ? done : gate_missed;
  if (!run.config.control) return code;
  const std::string folder = run.folder + "/control";
  options.control = true;
  HardwareOptimizedTrainer control(run.config, stream, folder, options, nullptr, run.device);
  if (exists_in(folder)) {
    control.resume();
  } else {
    // Nothing of a run that was killed before its first checkpoint is worth keeping.
    std::filesystem::remove_all(folder);
    create_run_folder(folder, to_json(run.config));
  }
  begin_stage("the same without compression");
  progress.line("the same without compression, for comparison, in " + folder);
  const bool whole = finish(control, folder, progress);
  write_learn_report(run.folder, trainer.trainer(), {&summary, &control.get_efficiency_summary()});
  return whole ? code : interrupted;
}

}  // namespace

ExitCode run_learning(const LearnRun& run, const ImageDataset& train, const ImageDataset& test) {
  const InterruptWatch watch;
  Stream stream = stream_of(run.config, train, test);
  Progress progress(run.quiet);
  const ExitCode code = run.config.compress == "off"
                            ? learn_plainly(run, std::move(stream), progress)
                            : learn_and_compress(run, stream, progress);
  if (code == interrupted) progress.line("interrupted; continue with: " + run.resume_command);
  return code;
}

}  // namespace espalier::app
