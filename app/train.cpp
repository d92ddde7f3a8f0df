#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/command.h"
#include "app/settings.h"
#include "app/training_run.h"
#include "engine/error.h"
#include "engine/io/file.h"
#include "nn/model_file.h"

namespace espalier::app {
namespace {

struct TrainFlags : CommonFlags {
  TrainFlags() { runs_on_gpu = chooses_gemm = true; }
  std::string model = "vit-tiny", config, from, run_dir, resume;
  std::vector<std::string> settings, teachers;
  bool no_launch_graph = false;
};

// Takes the shape of the model that it starts from, if any.
TrainConfig chosen_config(const TrainFlags& flags, const LoadedModel& start) {
  TrainConfig base = flags.config.empty()
                         ? named_train_config(flags.model)
                         : train_config_from_json(read_text(flags.config), flags.config);
  if (!flags.teachers.empty() && base.distillation == 0) base.distillation = 0.5;
  if (start.model) base.model = start.config;
  return configured("train", to_json(base), flags.settings, train_config_from_json);
}

std::string what_it_sees(const ViTConfig& c) {
  char text[128];
  std::snprintf(text, sizeof text, "%lld classes of %lldx%lldx%lld values, mean %g, deviation %g",
                static_cast<long long>(c.classes), static_cast<long long>(c.image_size),
                static_cast<long long>(c.image_size), static_cast<long long>(c.channels), c.mean,
                c.deviation);
  return text;
}

// Refused now where a teacher's images or classes are others, before there is a folder.
std::vector<Graph> load_teachers(const std::vector<std::string>& paths, const ViTConfig& student) {
  std::vector<Graph> teachers;
  for (const std::string& path : paths) {
    LoadedModel teacher = load_model(path);
    const ViTConfig& c = teacher.config;
    if (!(c.input() == student.input()) || c.classes != student.classes)
      argument_error("train", "--teacher", path + " for " + what_it_sees(c),
                     "a model for " + what_it_sees(student), "");
    teachers.push_back(std::move(teacher.graph));
  }
  return teachers;
}

LoadedModel load_start(const std::string& path) {
  if (path.empty()) return {};
  LoadedModel start = load_model(path);
  if (!start.model)
    argument_error("train", "--from", "a model in " + start.dtype, "one whose weights are floats",
                   "start from the model that it was made of");
  return start;
}

// With teachers, which are files of their own.
std::string resume_command(const TrainFlags& flags, const std::string& folder) {
  std::string command = "espalier train --resume " + shell_quoted(folder) + given_again(flags);
  for (const std::string& path : flags.teachers) command += " --teacher " + shell_quoted(path);
  return command;
}

int run(TrainFlags flags) {
  const Device device = apply_machine_flags(flags);
  const bool resuming = !flags.resume.empty();
  const LoadedModel start = load_start(flags.from);
  const TrainConfig config = resuming ? load_run_config(flags.resume) : chosen_config(flags, start);
  TrainerParts parts{.teachers = load_teachers(flags.teachers, config.model),
                     .device = device,
                     .launch_graph = !flags.no_launch_graph};
  if (start.model) {
    parts.form = [&] {
      auto model = initial_model(config.model, config.seed);
      model->load_state_dict(start.model->state_dict());
      return std::make_unique<Trainable>(std::move(model));
    };
  }
  std::string folder = resuming ? flags.resume : flags.run_dir;
  if (folder.empty()) folder = default_run_dir(config.model.name);
  const TrainingResult result = run_training(
      {.config = config,
       .folder = folder,
       .what = "training " + config.model.name + (start.model ? " from " + flags.from : ""),
       .resume_command = resume_command(flags, folder),
       .resume = resuming,
       .quiet = flags.quiet,
       .parts = std::move(parts)},
      load_training_data(config, flags.data));
  if (!result.finished) return interrupted;
  std::printf("%s\n", result.best.c_str());
  return done;
}

}  // namespace

void add_train(CLI::App& app, Body& chosen) {
  auto flags = std::make_shared<TrainFlags>();
  CLI::App* verb = app.add_subcommand("train", "Train a model; prints the path of the best one");
  CLI::Option* model = verb->add_option("model", flags->model, "vit-tiny, vit-fashion or vit-peer")
                           ->capture_default_str();
  CLI::Option* config =
      verb->add_option("--config", flags->config, "Settings as JSON, such as a run's config.json");
  CLI::Option* settings =
      verb->add_option("--set", flags->settings,
                       "One setting, such as epochs=5 or augmentation.erase=0.25; may be repeated");
  CLI::Option* seed = add_setting(*verb, flags->settings, "--seed", "seed",
                                  "Seed of weights, shuffles and augmentation");
  CLI::Option* precision =
      add_setting(*verb, flags->settings, "--precision", "precision",
                  "Of matrix products: f32, or bf16 with fp32 sums and fp32 weights, or on a GPU "
                  "the same with f16 and a loss scale (default: f32)")
          ->check(CLI::IsMember({"f32", "bf16", "f16"}));
  CLI::Option* from = verb->add_option("--from", flags->from,
                                       "Start from the weights and the shape of this model file");
  verb->add_option("--teacher", flags->teachers,
                   "Learn from this model too, for half of the loss or the share `distillation` "
                   "(--set); may be repeated: their mean teaches")
      ->allow_extra_args(false);
  CLI::Option* run_dir = verb->add_option("--run-dir", flags->run_dir, "Folder for the run");
  CLI::Option* resume =
      verb->add_option("--resume", flags->resume, "Continue the run in this folder, as it began");
  for (CLI::Option* begun_with : {model, config, settings, seed, precision, from, run_dir})
    resume->excludes(begun_with);
  verb->add_flag("--no-launch-graph", flags->no_launch_graph,
                 "On a GPU, launch each kernel of a step by itself rather than all as one CUDA "
                 "Graph; the bits are the same");
  add_data_flag(*verb, *flags);
  add_machine_flags(*verb, *flags);
  verb->callback([flags, &chosen] { chosen = [flags] { return run(*flags); }; });
}

}  // namespace espalier::app
