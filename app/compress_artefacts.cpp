#include "app/compress_artefacts.h"

#include <cstdio>
#include <filesystem>
#include <set>

#include "app/compress_report.h"
#include "app/interrupt.h"
#include "app/progress.h"
#include "app/run_folder.h"
#include "compress/comparison_table.h"
#include "compress/efficiency_report.h"
#include "engine/io/file.h"
#include "nn/int8_roles.h"

namespace espalier::app {
namespace {

struct Artefact {
  std::string what;       // it is, for the progress
  CompressConfig config;  // that makes it; its output is the file
  std::string trainings;  // folder of them
};

const char* const baseline = "baseline";

// In the order of the report. `combined` is pruned and recovered as `pruned` is, and takes up the
// finished training of that; unless it is pruned for its own latency, which is another.
std::vector<Artefact> artefacts_of(const CompressRun& run) {
  const CompressConfig& all = run.config;
  const bool rounded = all.dtype != "f32", pruned = prunes(all);
  std::vector<Artefact> out;
  const auto add = [&](const char* name, const std::string& what, CompressConfig config,
                       const std::string& trainings) {
    config.output = artefact_file(run, name);
    out.push_back({what, std::move(config), run.run_dir + "/" + trainings});
  };
  if (rounded)
    add("quantised", "the whole model in " + all.dtype, without_pruning(all), "quantised");
  if (pruned) add("pruned", "the pruned model in f32", without_rounding(all), "pruned");
  const bool alike = all.sparsity_of != "latency";
  if (rounded && pruned)
    add("combined", "the pruned model in " + all.dtype, all, alike ? "pruned" : "combined");
  return out;
}

}  // namespace

std::string artefact_file(const CompressRun& run, const std::string& name) {
  return run.run_dir + "/" + name + ".safetensors";
}

std::string write_baseline(const CompressRun& run, const LoadedModel& original) {
  const std::string path = artefact_file(run, baseline);
  if (std::filesystem::exists(path)) return path;
  std::map<std::string, std::string> notes;
  for (const char* kept : {"espalier.epoch", "espalier.validation_accuracy", "espalier.pruned",
                           "espalier.recover_epochs"})
    if (const auto found = original.metadata.find(kept); found != original.metadata.end())
      notes.insert(*found);
  CompressConfig as_it_is;
  as_it_is.dtype = original.dtype;
  save_model(path, *original.model, notes, stored_in(as_it_is));
  return path;
}

bool make_artefacts(const CompressRun& run, const LoadedModel& original) {
  const InterruptWatch watch;
  Progress progress(run.quiet);
  const KeptLayers kept(run.config.keep.begin(), run.config.keep.end());
  if (!kept.empty()) int8_roles(original.graph, kept);  // refuses other names before any work
  write_baseline(run, original);
  const auto stopped = [&] {
    if (!interrupt_requested()) return false;
    progress.line("interrupted; continue with: " + run.resume_command());
    return true;
  };
  for (const Artefact& each : artefacts_of(run)) {
    if (std::filesystem::exists(each.config.output)) continue;
    if (stopped()) return false;
    progress.line("making " + each.config.output + ": " + each.what);
    if (!compress({.config = each.config,
                   .data = run.data,
                   .run_dir = each.trainings,
                   .quiet = run.quiet,
                   .device = run.device,
                   .given_again = run.given_again,
                   .resume_dir = run.run_dir},
                  original))
      return false;
  }
  return !stopped();  // measuring takes long, and can be done another time
}

std::vector<ExpectedStage> expected_stages(const CompressRun& run, const ViTConfig& model,
                                           double timed_seconds) {
  // A step on integer kernels runs those and, behind them, the ones of floats.
  constexpr double qat_weight = 2;
  constexpr double training = 2, evaluating = 2;  // seconds beside its steps, and of a model
  std::vector<ExpectedStage> out;
  std::set<std::string> recovered;  // folders of trainings: the second to ask takes up the first's
  const std::vector<Artefact> artefacts = artefacts_of(run);
  for (const Artefact& each : artefacts) {
    if (std::filesystem::exists(each.config.output)) continue;
    const CompressConfig& c = each.config;
    if (c.recover_epochs > 0) {
      const bool first = recovered.insert(each.trainings).second;
      out.push_back({recover_stage(model.name),
                     first ? expected_steps(recover_config(c, model)) : 0, training});
    }
    if (c.qat_epochs > 0)
      out.push_back(
          {qat_stage(model.name), expected_steps(qat_config(c, model)), training, qat_weight});
  }
  const auto models = static_cast<double>(artefacts.size() + 1);
  out.push_back({measuring_stage, 0, models * (2 * timed_seconds + evaluating)});
  return out;
}

ModelMetrics report_artefacts(const CompressRun& run, const std::string& command,
                              double timed_seconds, bool json) {
  begin_stage(measuring_stage);
  Progress(run.quiet).line("measuring them on the test images");
  std::vector<std::string> paths = {artefact_file(run, baseline)};
  for (const Artefact& each : artefacts_of(run)) paths.push_back(each.config.output);
  if (!run.config.output.empty())
    write_atomically(run.config.output, {MappedFile(paths.back()).bytes()});
  const std::vector<ModelMetrics> models =
      benchmark_models(paths, load_fashion_mnist(run.data, Split::test),
                       benchmark_options(run.config, timed_seconds));
  create_efficiency_report(models, run.run_dir,
                           {.command = command, .environment = environment_json()});
  if (json) {
    std::printf("%s", read_text(run.run_dir + "/report.json").c_str());
    return models.back();
  }
  std::printf("%s\n%s %s\n\nreport: %s/report.md\n", comparison_table(models).c_str(),
              models.back().label.c_str(), summary_of(models.back(), models.front()).c_str(),
              run.run_dir.c_str());
  return models.back();
}

}  // namespace espalier::app
