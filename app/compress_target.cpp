#include "app/compress_target.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <set>

#include "app/command.h"
#include "app/compress_artefacts.h"
#include "app/progress.h"
#include "app/progress_file.h"
#include "app/run_folder.h"
#include "app/training_run.h"
#include "compress/auto_optimizer/auto_optimizer.h"
#include "compress/comparison_plots.h"
#include "compress/efficiency_report.h"
#include "engine/error.h"
#include "engine/io/file.h"

namespace espalier::app {
namespace {

// Epochs of recovery where a target or a preset prunes and nobody says how long.
constexpr int64_t usual_recovery = 2;

Budget budget_of(const CompressConfig& c) {
  Budget budget;
  if (c.max_megabytes > 0) budget.bytes = 1e6 * c.max_megabytes;
  if (c.max_milliseconds > 0) budget.seconds = 1e-3 * c.max_milliseconds;
  if (c.min_accuracy > 0) budget.accuracy = 1e-2 * c.min_accuracy;
  return budget;
}

OptimizeOptions options_of(const CompressRun& run, double timed_seconds) {
  const CompressConfig& c = run.config;
  OptimizeOptions options;
  options.target = c.target;
  options.budget = budget_of(c);
  options.levels = c.levels;
  options.points = static_cast<size_t>(c.points);
  options.batch = c.latency_batch;
  options.seed = c.seed;
  options.pruning = pruning_of(c);
  options.quantization = quantization_of(c);
  options.measure.budget_seconds = timed_seconds;
  options.profile_seconds = std::min(options.profile_seconds, timed_seconds);
  if (!c.hardware_profile.empty())
    options.machine = bench::hardware_from_json(read_text(c.hardware_profile), c.hardware_profile);
  return options;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.15g", 100 * share);
  return text;
}

void draw_front(const Optimization& result, const std::string& path) {
  std::vector<ParetoPoint> points;
  for (size_t i = 0; i < result.models.size(); ++i) {
    const OptimizedModel& at = result.models[i];
    const std::string role = at.roles.front().substr(0, at.roles.front().find(' '));
    points.push_back({i == 0 ? at.name() : at.candidate.short_name(), at.judged.seconds,
                      at.judged.accuracy,
                      result.chosen == i ? "chosen"
                      : role == "rule"   ? "rule of thumb"
                      : role == "search" ? ""
                                         : role});
  }
  plot_pareto(points, path);
}

// The model before, what the rule of thumb makes and what was chosen, on the test images.
std::vector<ModelMetrics> on_test_images(const CompressRun& run, const Optimization& result,
                                         const OptimizeOptions& how) {
  std::vector<std::string> paths = {result.models[0].metrics.path};
  std::vector<std::string> labels = {"before"};
  if (result.rule != *result.chosen) {
    paths.push_back(result.models[result.rule].metrics.path);
    labels.push_back("rule of thumb");
  }
  paths.push_back(artefact_file(run, "chosen"));
  labels.push_back("chosen");
  std::vector<ModelMetrics> models =
      benchmark_models(paths, load_fashion_mnist(run.data, Split::test),
                       {.batches = how.batches(), .measure = how.measure});
  for (size_t i = 0; i < models.size(); ++i) models[i].label = labels[i];
  return models;
}

std::string missed(const Optimization& result) {
  const OptimizedModel& at = result.models[result.nearest];
  char text[128];
  std::snprintf(text, sizeof text, "%.3f MB, %.3f ms, %.2f %% of validation images right",
                1e-6 * at.judged.bytes, 1e3 * at.judged.seconds, 100 * at.judged.accuracy);
  return "no model meets the budget; nearest is " + at.name() + ": " + text + " (" +
         at.metrics.path + ")";
}

constexpr const char* measuring = "measuring ";

std::string recovery_of(double sparsity) { return "recover-" + percent(sparsity); }

// In the order in which AutoOptimizer goes through them.
std::vector<ExpectedStage> expected_stages(const CompressRun& run, const ViTConfig& model,
                                           const OptimizeOptions& options) {
  const std::string m = measuring;
  std::set<double> levels(options.levels.begin(), options.levels.end());
  for (const NamedChoice& choice : presets) levels.insert(choice.sparsity);
  for (const NamedChoice& choice : rules_of_thumb) levels.insert(choice.sparsity);
  levels.insert(0);
  std::vector<ExpectedStage> out = {{m + "this machine", 0, 3}};
  const double steps = expected_steps(recover_config(run.config, model));
  for (double sparsity : levels)
    if (sparsity > 0 && run.config.recover_epochs > 0)
      out.push_back({"training " + recovery_of(sparsity), steps});
  for (size_t i = 0; i < levels.size(); ++i)
    out.push_back({m + "the parts of ", 0, 4 * options.profile_seconds + 1});
  const auto models = static_cast<double>(options.points + std::size(presets) + levels.size());
  const double timed = 2 * options.measure.budget_seconds + 1;
  out.push_back({m, 0, models * timed});
  out.push_back({m + "the chosen model", 0, 3 * (timed + 1)});
  return out;
}

}  // namespace

int run_target(const CompressRun& run, const LoadedModel& original, const std::string& command,
               double timed_seconds, bool json) {
  Progress progress(run.quiet);
  const OptimizeOptions options = options_of(run, timed_seconds);
  TrainConfig split;
  split.validation = run.config.validation;
  OptimizeHooks hooks;
  expect_stages(expected_stages(run, original.config, options));
  hooks.tell = [&](const std::string& line) {
    if (line.starts_with(measuring)) begin_stage(line);
    progress.line(line);
  };
  if (run.config.recover_epochs > 0)
    hooks.recover = [&](const VisionTransformer& pruned, double sparsity) {
      return recover(run, original, pruned, recovery_of(sparsity));
    };
  const AutoOptimizer optimizer(
      write_baseline(run, original), options,
      {calibration_images(run.config, run.data), load_training_data(split, run.data).validation},
      hooks);
  const auto result = optimizer.optimize_model(run.run_dir + "/candidates");
  if (!result) return interrupted;
  const std::string why = why_report(*result, options), all = optimization_json(*result, options);
  write_atomically(run.run_dir + "/optimization.json", all + "\n");
  draw_front(*result, run.run_dir + "/pareto.png");
  if (!result->chosen) {
    std::fprintf(stderr, "espalier: %s\n", missed(*result).c_str());
    return gate_missed;
  }
  const std::string& chosen = result->models[*result->chosen].metrics.path;
  write_atomically(artefact_file(run, "chosen"), {MappedFile(chosen).bytes()});
  const std::string last = std::string(measuring) + "the chosen model on the test images";
  begin_stage(last);
  progress.line(last);
  create_efficiency_report(
      on_test_images(run, *result, options), run.run_dir,
      {.command = command,
       .environment = environment_json(),
       .sections = {{"Why this one", why + "\n![accuracy against time](pareto.png)\n"}}});
  if (!run.config.output.empty()) write_atomically(run.config.output, {MappedFile(chosen).bytes()});
  if (json)
    std::printf("%s\n", all.c_str());
  else
    std::printf("%s\nreport: %s/report.md\n", why.c_str(), run.run_dir.c_str());
  return done;
}

std::string missed_budget(const CompressConfig& config, const ModelMetrics& model) {
  const Budget budget = budget_of(config);
  char text[256];
  const double accuracy = model.evaluation.accuracy();
  if (budget.bytes && static_cast<double>(model.file_bytes) > *budget.bytes) {
    std::snprintf(text, sizeof text, "the file takes %.3f MB; the budget is %.3f MB",
                  1e-6 * static_cast<double>(model.file_bytes), config.max_megabytes);
    return text;
  }
  if (budget.accuracy && accuracy < *budget.accuracy) {
    std::snprintf(text, sizeof text, "%.2f %% of the test images are right; the budget is %.2f %%",
                  100 * accuracy, config.min_accuracy);
    return text;
  }
  for (const ModelMetrics::Speed& speed : model.speeds) {
    if (!budget.seconds || speed.batch != config.latency_batch ||
        speed.seconds.median <= *budget.seconds)
      continue;
    std::snprintf(text, sizeof text, "a batch of %lld takes %.3f ms; the budget is %.3f ms",
                  static_cast<long long>(speed.batch), 1e3 * speed.seconds.median,
                  config.max_milliseconds);
    return text;
  }
  return "";
}

void add_target_flags(CLI::App& verb, CompressConfig& c) {
  const char* group = "Choice by measurement";
  CLI::Option* target =
      verb.add_option("--target", c.target,
                      "Prune and round as measurements on this machine say is best for this; needs "
                      "a folder from --report or --run-dir to work in, or makes one")
          ->check(CLI::IsMember({"speed", "size", "accuracy", "balanced"}))
          ->group(group);
  verb.add_option_function<std::string>(
          "--preset",
          [&c, &verb](const std::string& name) {
            const NamedChoice& choice = preset(name);
            c.dtype = choice.dtype;
            c.sparsity = choice.sparsity;
            if (verb.count("--recover") == 0) c.recover_epochs = usual_recovery;
          },
          "edge: int8 and 50 % pruned; gpu-server: f16 and 30 %; tiny: int8 and 70 %; recovered in "
          "2 epochs unless told")
      ->check(CLI::IsMember({"edge", "gpu-server", "tiny"}))
      ->excludes(target)
      ->excludes("--dtype")
      ->excludes("--sparsity")
      ->group(group);
  target->each([&c, &verb](const std::string&) {
    if (verb.count("--recover") == 0) c.recover_epochs = usual_recovery;
  });
  const auto option = [&](const char* name, auto& value, const char* help) {
    return verb.add_option(name, value, help)->group(group);
  };
  option("--max-size", c.max_megabytes, "Budget of the file, in megabytes (10^6 bytes)")
      ->check(CLI::PositiveNumber);
  option("--latency-batch", c.latency_batch,
         "Images at once in what --target, --max-latency and --sparsity-of latency measure")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  option("--max-latency", c.max_milliseconds, "Budget of a batch of --latency-batch, in ms")
      ->check(CLI::PositiveNumber);
  option("--min-accuracy", c.min_accuracy,
         "Least share of images that must be right, in percent: validation images for --target, "
         "else the test images. Where a budget cannot be met the exit code is 4")
      ->check(CLI::Range(0.0, 100.0));
  option("--levels", c.levels, "Shares to prune that --target tries beside 0, 0.2, 0.3, 0.5, 0.7")
      ->delimiter(',')
      ->check(CLI::Range(0.001, 0.999))
      ->needs(target)
      ->capture_default_str();
  option("--points", c.points,
         "How many of what the search finds are made and measured, each width's fastest first, "
         "beside the presets and the rules of thumb")
      ->check(CLI::Range(2, 100))
      ->needs(target)
      ->capture_default_str();
  option("--hardware-profile", c.hardware_profile,
         "JSON of `espalier bench hardware --json` from the machine to choose for, if not this one")
      ->check(CLI::ExistingFile)
      ->needs(target);
}

}  // namespace espalier::app
