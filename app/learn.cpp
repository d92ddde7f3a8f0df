#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/command.h"
#include "app/learn_run.h"
#include "app/run_folder.h"
#include "app/settings.h"
#include "cl/memory/selection.h"
#include "cl/methods/method.h"
#include "engine/error.h"
#include "engine/io/file.h"

namespace espalier::app {
namespace {

struct LearnFlags : CommonFlags {
  LearnFlags() {
    runs_on_gpu = chooses_gemm = true;
    on_gpu = "; memory, and what --compress and --sparsity make, stay on the CPU";
  }
  std::string network = "mlp", config, run_dir, resume;
  std::vector<std::string> settings;
};

// "64KiB", "0.5 MB" or "500", a number of samples, as settings.
std::vector<std::string> memory_settings(const std::string& text) {
  size_t end = 0;
  double number = -1;
  try {
    number = std::stod(text, &end);
  } catch (const std::exception&) {
  }
  const std::string unit = text.substr(std::min(text.size(), text.find_first_not_of(' ', end)));
  const std::pair<const char*, double> units[] = {
      {"B", 1}, {"kB", 1e3}, {"KiB", 1024}, {"MB", 1e6}, {"MiB", 1024 * 1024}};
  if (number > 0 && number < 1e12 && unit.empty() &&
      number == static_cast<double>(static_cast<int64_t>(number)))
    return {"memory_samples=" + std::to_string(static_cast<int64_t>(number))};
  for (const auto& [name, bytes] : units)
    if (number > 0 && number < 1e12 && unit == name)
      return {"memory_samples=0",
              "memory_bytes=" + std::to_string(static_cast<int64_t>(number * bytes))};
  throw CLI::ValidationError("--memory", "'" + text +
                                             "' is neither a number of samples nor bytes with a "
                                             "unit: B, kB, KiB, MB or MiB");
}

LearnConfig chosen_config(const LearnFlags& flags) {
  const LearnConfig base = flags.config.empty()
                               ? named_learn_config(flags.network)
                               : learn_config_from_json(read_text(flags.config), flags.config);
  return configured("learn", to_json(base), flags.settings, learn_config_from_json);
}

int run(const LearnFlags& flags) {
  const Device device = apply_machine_flags(flags);
  const bool resuming = !flags.resume.empty();
  if (resuming && !(flags.settings.empty() && flags.config.empty()))
    argument_error("learn", "--resume", "with settings", "--resume alone",
                   "a run goes on with the settings that it began with");
  const LearnConfig config = resuming ? load_learn_config(flags.resume) : chosen_config(flags);
  std::string folder = resuming ? flags.resume : flags.run_dir;
  if (folder.empty()) folder = default_run_dir("learn-" + config.method);
  const ExitCode code = run_learning(
      {.config = config,
       .folder = folder,
       .resume_command = "espalier learn --resume " + shell_quoted(folder) + given_again(flags),
       .resume = resuming,
       .quiet = flags.quiet,
       .device = device},
      load_fashion_mnist(flags.data, Split::train), load_fashion_mnist(flags.data, Split::test));
  if (code == gate_missed)
    std::fprintf(stderr,
                 "espalier: the last network is over budget in every form; %s/report.md has what "
                 "comes nearest\n",
                 folder.c_str());
  if (code != interrupted) std::printf("%s/report.md\n", folder.c_str());
  return code;
}

}  // namespace

void add_learn(CLI::App& app, Body& chosen) {
  auto flags = std::make_shared<LearnFlags>();
  CLI::App* verb = app.add_subcommand(
      "learn", "Learn from a stream of tasks without forgetting; prints the path of the report");
  CLI::Option* network =
      verb->add_option("network", flags->network,
                       "mlp (784-256-256-10), or a Vision Transformer such as vit-tiny")
          ->capture_default_str();
  verb->add_option("--config", flags->config, "Settings as JSON, such as a run's config.json")
      ->excludes(network);
  verb->add_option("--set", flags->settings,
                   "One setting, such as alpha=0.5 or augmentation.flip=0.5; may be repeated");
  add_setting(*verb, flags->settings, "--stream", "stream.name",
              joined(stream_names()) + " (default: split)");
  add_setting(*verb, flags->settings, "--tasks", "stream.tasks",
              "Tasks of the stream (default: 5)");
  verb->add_flag_callback(
      "--task-incremental", [flags] { flags->settings.push_back("stream.task_incremental=true"); },
      "Test images come with their task, and its classes alone are compared");
  add_setting(*verb, flags->settings, "--method", "method",
              joined(method_names()) + " (default: er)");
  verb->add_option(
      "--memory",
      [flags](const CLI::results_t& values) {
        for (const std::string& setting : memory_settings(values.at(0)))
          flags->settings.push_back(setting);
        return true;
      },
      "Budget of the replay memory, of methods that have one, all that a sample takes counted: "
      "bytes with a unit, such as 64KiB, or a number of samples (default: 64KiB)");
  add_setting(*verb, flags->settings, "--coding", "coding",
              "How pixels are kept: u8 or f32 (default: u8)");
  add_setting(
      *verb, flags->settings, "--latent-stage", "latent_stage",
      "Of method latent_replay: which stage of the network its memory enters, 1 to 2 of mlp, "
      "1 to 4 of vit-tiny (default: 1, and the last one of a Vision Transformer)");
  add_setting(*verb, flags->settings, "--latent-coding", "latent_coding",
              "How what enters it is kept: s8, s4 or f32 (default: s8)");
  add_setting(*verb, flags->settings, "--selection", "selection",
              "What stays in memory: " + joined(selection_names()) + " (default: reservoir)");
  add_setting(*verb, flags->settings, "--replay-batch", "replay_batch",
              "Samples of the memory that join each step (default: 128)");
  add_setting(*verb, flags->settings, "--epochs", "epochs", "Of each task (default: 1)");
  add_setting(*verb, flags->settings, "--batch-size", "batch_size",
              "New images of a step (default: 10)");
  add_setting(*verb, flags->settings, "--lr", "learning_rate", "Learning rate");
  CLI::Option* compress = add_setting(
      *verb, flags->settings, "--compress", "compress",
      "Measure a compressed network after each task: f32 (pruned alone), f16, bf16, int8, w8, "
      "w4, dynamic (default: off)");
  add_setting(*verb, flags->settings, "--sparsity", "sparsity",
              "Share that is pruned step by step, task after task (default: 0)");
  add_setting(*verb, flags->settings, "--sparsity-of", "sparsity_of",
              "What the share is of: parameters, or flops of an image (default: parameters)");
  verb->add_option_function<std::string>(
          "--target",
          [flags](const std::string& target) {
            flags->settings.push_back("compress=auto");
            flags->settings.push_back("target=" + target);
          },
          "Make and measure every form after each task, and take what is best for: speed, size, "
          "accuracy, balanced")
      ->excludes(compress);
  add_setting(*verb, flags->settings, "--max-size", "max_megabytes",
              "Budget of the file for --target, in megabytes (10^6 bytes)");
  add_setting(
      *verb, flags->settings, "--max-latency", "max_milliseconds",
      "Budget of one image for --target, in ms. Where no form meets a budget after the last "
      "task the exit code is 4");
  add_setting(*verb, flags->settings, "--seconds", "seconds",
              "To time the network's forms for, in turns, at each batch size (default: 5)");
  verb->add_flag_callback(
      "--compress-at-end", [flags] { flags->settings.push_back("compress_at_end=true"); },
      "Prune and round after the last task alone");
  verb->add_flag_callback(
      "--control", [flags] { flags->settings.push_back("control=true"); },
      "Learn a second time without compression, and tell what that made it forget");
  add_setting(*verb, flags->settings, "--held-out", "held_out",
              "Test on so many training images, which are held out, instead of the test images: to "
              "choose settings by");
  add_setting(*verb, flags->settings, "--seed", "seed", "Of weights, orders, draws and the stream");
  CLI::Option* run_dir = verb->add_option("--run-dir", flags->run_dir, "Folder for the run");
  verb->add_option("--resume", flags->resume, "Continue the run in this folder")
      ->excludes(run_dir)
      ->excludes(network);
  add_data_flag(*verb, *flags);
  add_machine_flags(*verb, *flags);
  verb->callback([flags, &chosen] { chosen = [flags] { return run(*flags); }; });
}

}  // namespace espalier::app
