#include "app/training_run.h"

#include <cstdio>
#include <utility>

#include "app/interrupt.h"
#include "app/progress.h"
#include "app/progress_file.h"

namespace espalier::app {
namespace {

std::string describe(const StepReport& report) {
  char text[96];
  std::snprintf(text, sizeof text, "epoch %lld  loss %.3f  %.0f images/s",
                static_cast<long long>(report.epoch + 1), report.loss, report.images_per_second);
  return text;
}

std::string describe(const EpochReport& report) {
  char text[160], validation[80] = "";
  if (report.validation)
    std::snprintf(validation, sizeof validation, ", validation loss %.4f, accuracy %.2f %%%s",
                  report.validation->loss, 100 * report.validation->accuracy(),
                  report.best ? " (best)" : "");
  std::snprintf(text, sizeof text, "epoch %lld: training loss %.4f%s, %s",
                static_cast<long long>(report.epoch + 1), report.train_loss, validation,
                clock_text(report.seconds).c_str());
  if (report.skipped_steps == 0) return text;
  return text + (", steps skipped so far: " + std::to_string(report.skipped_steps));
}

}  // namespace

TrainingData load_training_data(const TrainConfig& config, const std::string& data_folder) {
  auto [train, validation] =
      training_split(load_fashion_mnist(data_folder, Split::train), config.validation);
  return {std::move(train), std::move(validation)};
}

TrainingResult run_training(TrainingRun run, TrainingData data) {
  const InterruptWatch watch;
  begin_stage(run.what);
  // Which refuses what makes no training, before there is a folder.
  Trainer trainer(run.config, std::move(data.train), std::move(data.validation), run.folder,
                  std::move(run.parts));
  if (run.resume)
    trainer.resume();
  else
    create_run_folder(run.folder, to_json(run.config));
  MetricsFile metrics(run.folder, trainer.step());
  Progress progress(run.quiet);
  bool told = false;  // a run that is taken up may be over already
  const auto tell = [&] {
    if (!std::exchange(told, true))
      progress.line(run.what + " (" + std::to_string(trainer.trained().model().parameter_count()) +
                    " parameters) in " + run.folder);
  };
  const bool finished = trainer.run({
      .step =
          [&](const StepReport& report) {
            tell();
            metrics.add(report);
            progress.update(report.step, report.steps, describe(report));
          },
      .epoch =
          [&](const EpochReport& report) {
            metrics.add(report);
            progress.line(describe(report));
          },
      .interrupted = interrupt_requested,
  });
  write_report(run.folder, run.config);
  if (!finished) progress.line("interrupted; continue with: " + run.resume_command);
  return {finished, trainer.best_checkpoint()};
}

}  // namespace espalier::app
