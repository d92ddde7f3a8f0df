#include <chrono>
#include <CLI/CLI.hpp>
#include <filesystem>

#include "app/command.h"
#include "app/compress_artefacts.h"
#include "app/compress_report.h"
#include "app/compress_stages.h"
#include "app/compress_target.h"
#include "app/run_folder.h"
#include "compress/observers/factory.h"
#include "engine/error.h"
#include "engine/io/file.h"
#include "engine/parallel.h"

namespace espalier::app {
namespace {

struct CompressFlags : CommonFlags {
  CompressFlags() {
    runs_on_gpu = chooses_gemm = true;
    on_gpu = ", for the trainings of --recover and --qat; all else is done on the CPU";
  }
  CompressConfig config;
  std::string run_dir, resume, report, command;
  bool sensitivity = false;
  double timed_seconds = 2;
};

const char *const config_file = "/compress.json", *const command_file = "/command.txt";

void take_up(CompressFlags& flags) {
  const std::string path = flags.resume + config_file;
  flags.config = compress_config_from_json(read_text(path), path);
  flags.run_dir = flags.resume;
  if (flags.config.report) flags.command = read_text(flags.resume + command_file);
}

// What the folder held before is not to be taken for what a run makes.
void check_new(const std::string& folder) {
  for (const char* name : {"baseline", "quantised", "pruned", "combined", "chosen"})
    if (const std::string path = folder + "/" + name + ".safetensors";
        std::filesystem::exists(path))
      file_error(path, "is there already; choose another folder for --report");
}

// A folder for the trainings, or for all that --report makes.
void begin(CompressFlags& flags) {
  if (flags.run_dir.empty()) flags.run_dir = default_run_dir("compress");
  // A start that was refused leaves a configuration and no training: it may be put right.
  const auto holds = [&](const char* name) {
    return std::filesystem::exists(flags.run_dir + name);
  };
  if (holds(config_file) && (holds("/recover") || holds("/qat") || holds("/baseline.safetensors") ||
                             holds("/candidates")))
    file_error(flags.run_dir, "holds a run already; continue it with --resume " + flags.run_dir +
                                  " or choose another --run-dir");
  if (flags.config.report) check_new(flags.run_dir);
  make_folder(flags.run_dir);
  std::error_code error;
  std::filesystem::remove(flags.run_dir + pruned_file, error);  // of another configuration
  resolve(flags.config);
  write_atomically(flags.run_dir + config_file, to_json(flags.config) + "\n");
  if (flags.config.report) write_atomically(flags.run_dir + command_file, flags.command);
}

ExitCode judged(const CompressConfig& config, const ModelMetrics& model) {
  const std::string missed = missed_budget(config, model);
  if (!missed.empty())
    std::fprintf(stderr, "espalier: %s: %s\n", model.path.c_str(), missed.c_str());
  return missed.empty() ? done : gate_missed;
}

// Times are wanted, and not to be taken.
void check_timed(const CompressFlags& flags) {
  const bool wanted = !flags.config.target.empty() || flags.config.max_milliseconds > 0;
  if (wanted && flags.timed_seconds <= 0)
    argument_error("compress", "--seconds", "0", "more for --target and --max-latency", "");
}

int run(CompressFlags flags) {
  const Device device = apply_machine_flags(flags);
  const bool resuming = !flags.resume.empty();
  if (resuming) take_up(flags);
  const CompressConfig& config = flags.config;
  if (!flags.sensitivity) validate(config), check_timed(flags);
  const LoadedModel before = load_model(config.model);
  if (!before.model)
    file_error(config.model, "holds " + described(before) + " already; give the fp32 model");
  if (!flags.sensitivity && std::filesystem::exists(config.output) &&
      std::filesystem::equivalent(config.model, config.output))
    argument_error("compress", "--output", config.output, "another file than the model", "");
  if (flags.sensitivity) {
    print_sensitivity(config, before, calibration_images(config, flags.data), flags.json);
    return done;
  }
  const bool keeps = config.report || config.recover_epochs > 0 || config.qat_epochs > 0;
  if (!resuming && keeps) begin(flags);
  check_files(config, before);
  const CompressRun asked = {config,      flags.data, flags.run_dir,
                             flags.quiet, device,     given_again(flags)};
  const std::string again = flags.command + " -t " + std::to_string(num_threads());
  if (!config.target.empty())
    return run_target(asked, before, again, flags.timed_seconds, flags.json);
  if (config.report) {
    expect_stages(expected_stages(asked, before.config, flags.timed_seconds));
    if (!make_artefacts(asked, before)) return interrupted;
    return judged(config, report_artefacts(asked, again, flags.timed_seconds, flags.json));
  }
  const auto start = std::chrono::steady_clock::now();
  if (!compress(asked, before)) return interrupted;
  const auto end = std::chrono::steady_clock::now();
  CompressOutcome outcome = measure_compressed(config, flags.data, flags.timed_seconds);
  outcome.seconds = std::chrono::duration<double>(end - start).count();
  print_compressed(config, outcome, flags.json);
  return judged(config, outcome.after);
}

void add_rounding_flags(CLI::App& verb, CompressConfig& c) {
  const char* group = "Rounding";
  verb.add_option("--observer", c.observer, "What chooses the ranges of activations")
      ->check(CLI::IsMember(observer_names()))
      ->group(group)
      ->capture_default_str();
  CLI::Option* even = verb.add_flag("--equalize", c.equalize,
                                    "First even out the channels of what is rounded, same function")
                          ->group(group);
  verb.add_option("--equalize-alpha", c.equalize_alpha,
                  "How: 1 evens out activations alone, 0 weights alone")
      ->check(CLI::Range(0.0, 1.0))
      ->needs(even)
      ->group(group)
      ->capture_default_str();
  verb.add_flag("--bias-correction", c.bias_correction,
                "Take the mean error of each layer off its bias")
      ->group(group);
  CLI::Option* keep =
      verb.add_option("--keep", c.keep,
                      "Parts that stay in floats, such as tokenizer,blocks.0.attention; "
                      "--sensitivity tells which")
          ->delimiter(',')
          ->group(group);
  verb.add_option("--kept-dtype", c.kept_dtype, "What the weights of those are stored in")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}))
      ->needs(keep)
      ->group(group)
      ->capture_default_str();
}

void add_pruning_flags(CLI::App& verb, CompressConfig& c) {
  const char* group = "Pruning";
  verb.add_option("--sparsity", c.sparsity, "Share to remove, 0 up to 1, before rounding")
      ->check(CLI::Range(0.0, 0.999))
      ->group(group);
  const auto option = [&](const char* name, auto& value, const char* help) {
    return verb.add_option(name, value, help)->group(group);
  };
  option("--sparsity-of", c.sparsity_of, "What the share is of")
      ->check(CLI::IsMember({"parameters", "flops", "latency"}))
      ->capture_default_str();
  option("--importance", c.importance, "How channels are ranked")
      ->check(CLI::IsMember({"l1", "l2", "taylor", "random"}))
      ->capture_default_str();
  option("--ranking", c.ranking, "All channels together, or the same share of each layer")
      ->check(CLI::IsMember({"global", "layer"}))
      ->capture_default_str();
  option("--dimensions", c.dimensions,
         "What may go, of hidden, heads, head_width, embedding, conv; unless told, all")
      ->delimiter(',')
      ->check(CLI::IsMember({"hidden", "heads", "head_width", "embedding", "conv"}));
  option("--width-step", c.width_step,
         "Keep widths at multiples of this, or halves where too little would go; 0: what this "
         "machine's kernels take at once")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  CLI::Option* schedule =
      option("--schedule", c.schedule,
             "All at once before --recover, or in steps of a cubic schedule while it trains")
          ->check(CLI::IsMember({"one-shot", "cubic"}))
          ->capture_default_str();
  option("--prune-steps", c.prune_steps, "Steps of the cubic schedule")
      ->check(CLI::Range(1, 1000))
      ->needs(schedule)
      ->capture_default_str();
  option("--prune-share", c.prune_share, "Share of --recover that they are spread over")
      ->check(CLI::Range(0.001, 0.999))
      ->needs(schedule)
      ->capture_default_str();
}

// For research: what none of our kernels runs faster.
void add_zero_flags(CLI::App& verb, CompressConfig& c) {
  const char* group = "Pruning";
  CLI::Option* sparsity = verb.get_option("--sparsity");
  verb.add_flag(
          "--unstructured", c.unstructured,
          "A control: --sparsity of single weights, the smallest, become zeros, and stay so in "
          "--recover. No kernel here skips zeros: same size and speed")
      ->group(group);
  verb.add_option("--pattern", c.pattern,
                  "2:4, in place of --sparsity: two of each four inputs of linear layers become "
                  "zeros. Faster on GPUs with sparse tensor cores only; same size and speed here")
      ->check(CLI::IsMember({"2:4"}))
      ->excludes(sparsity)
      ->group(group);
  verb.add_option(
          "--rewind", c.rewind,
          "Lottery tickets: before --recover, what is left goes back to the weights of this "
          "earlier checkpoint, or of init, where `train` with this --seed begins. As fast "
          "as without")
      ->group(group);
}

void add_training_flags(CLI::App& verb, CompressFlags& flags) {
  CompressConfig& c = flags.config;
  const char* group = "Training, with the fp32 model as the teacher";
  const auto option = [&](const char* name, auto& value, const char* help) {
    return verb.add_option(name, value, help)->group(group)->capture_default_str();
  };
  option("--recover", c.recover_epochs, "Epochs for the pruned model")
      ->check(CLI::Range(0, 100'000));
  option("--qat", c.qat_epochs, "Epochs for the rounded model, on the kernels that will run it")
      ->check(CLI::Range(0, 100'000));
  option("--recover-lr", c.recover_learning_rate, "Learning rate of --recover, after its warm-up")
      ->check(CLI::PositiveNumber);
  option("--qat-lr", c.qat_learning_rate, "Learning rate of --qat, after its warm-up")
      ->check(CLI::PositiveNumber);
  verb.add_flag("--learn-scales", c.learn_scales,
                "The scales of activations learn too, in --qat (LSQ)")
      ->group(group);
  option("--distillation", c.distillation, "Share of the loss that the teacher makes; 0 is off")
      ->check(CLI::Range(0.0, 1.0));
  option("--temperature", c.temperature, "Of the softmaxes of distillation")
      ->check(CLI::PositiveNumber);
  option("--precision", c.precision,
         "Of the products of --recover, and behind the rounding of --qat")
      ->check(CLI::IsMember({"f32", "bf16"}));
  option("--validation", c.validation,
         "Training images held out, to choose the best epoch and the best candidate by")
      ->check(CLI::Range(1, 1'000'000));
  option("--max-steps", c.max_steps, "Stop each training after so many steps; 0 runs all epochs")
      ->check(CLI::NonNegativeNumber);
  CLI::Option* run_dir =
      verb.add_option("--run-dir", flags.run_dir, "Folder for the trainings")->group(group);
  verb.add_option("--resume", flags.resume, "Continue what was begun in this folder")
      ->excludes(run_dir)
      ->group(group);
}

// What the configuration holds, and --resume takes up from it.
bool is_of_config(const CLI::Option& option) {
  const std::string name = option.get_name();
  for (const char* held : {"model", "--output", "--dtype", "--calibration-images", "--seed"})
    if (name == held) return true;
  return option.get_group() != "Options" && name != "--resume";
}

// Options of pruning are nothing without it.
void require_pruning(const CLI::App& verb) {
  for (const char* prunes : {"--sparsity", "--pattern", "--preset", "--target", "--resume"})
    if (verb.count(prunes)) return;
  for (const CLI::Option* option : verb.get_options())
    if (option->get_group() == "Pruning" && option->count())
      throw CLI::RequiresError(option->get_name(), "--sparsity");
}

// It looks at each layer of the model as it is, and --validation says on which images it may.
void require_nothing_made(const CLI::App& verb) {
  for (const CLI::Option* option : verb.get_options()) {
    const bool makes = option->get_group() != "Options" || option->check_lname("dtype");
    if (option->count() && makes && !option->check_lname("validation"))
      throw CLI::ValidationError(option->get_name(), "is nothing to --sensitivity; leave it out");
  }
}

// What --resume takes up is not to be asked for again.
void require_model(const CLI::App& verb, const CompressFlags& flags) {
  if (flags.resume.empty()) {
    if (flags.config.model.empty()) throw CLI::RequiredError("model");
    if (flags.config.output.empty() && !flags.sensitivity && flags.report.empty())
      throw CLI::RequiredError("--output or --report");
    return;
  }
  for (const CLI::Option* option : verb.get_options())
    if (option->count() && is_of_config(*option))
      throw CLI::ValidationError(option->get_name(), "is what --resume takes up; leave it out");
}

void add_report_flag(CLI::App& verb, CompressFlags& flags) {
  verb.add_option("--report", flags.report,
                  "Folder for each form that the options make (the model as it is, quantised, "
                  "pruned, both), for their trainings and for a report.md that compares them")
      ->excludes("--run-dir")
      ->excludes("--resume")
      ->excludes("--sensitivity");
}

// What was asked for, as a shell takes it; the report adds the threads that it ran on.
std::string command_of(const CLI::App& verb) {
  std::string text = "espalier compress";
  for (const CLI::Option* option : verb.get_options()) {
    if (option->count() == 0 || option->check_lname("threads") || option->check_lname("progress"))
      continue;
    if (!option->get_positional()) text += " " + option->get_name();
    if (option->get_expected_max() > 0)
      for (const std::string& value : option->results()) text += " " + shell_quoted(value);
  }
  return text;
}

}  // namespace

void add_compress(CLI::App& app, Body& chosen) {
  auto flags = std::make_shared<CompressFlags>();
  CompressConfig& c = flags->config;
  CLI::App* verb =
      app.add_subcommand("compress", "Turn a trained model into a smaller, faster one");
  verb->add_option("model", c.model, "Model file or checkpoint (.safetensors)");
  CLI::Option* output = verb->add_option("-o,--output", c.output, "Model file to write");
  verb->add_flag("--sensitivity", flags->sensitivity,
                 "Write nothing; say what 8-bit and 4-bit weights cost in each layer alone")
      ->excludes(output);
  verb->add_option(
          "--dtype", c.dtype,
          "int8 runs all up to the head in whole numbers; f16 and bf16 halve the weights; w8 and "
          "w4 store those of linear layers in codes of 8 and 4 bits; dynamic multiplies such codes "
          "of 8 with activations that are rounded as they come; f32 where it is only pruned")
      ->check(CLI::IsMember({"int8", "f16", "bf16", "w8", "w4", "dynamic", "f32"}))
      ->capture_default_str();
  verb->add_option("--group-size", c.group_size,
                   "Weights of a channel that share a scale; 0: 32 in w4, all of them in w8")
      ->check(CLI::Range(0, 65'536))
      ->group("Rounding")
      ->capture_default_str();
  verb->add_option("--calibration-images", c.calibration_images,
                   "Training images that ranges, and gradients of taylor, are observed on")
      ->check(CLI::Range(1, 60'000))
      ->capture_default_str();
  verb->add_option("--seed", c.seed, "Seed of their choice, of random ranks and of trainings")
      ->capture_default_str();
  verb->add_option("--seconds", flags->timed_seconds,
                   "To time both models for, in turns, at each batch size; 0 leaves it out")
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str();
  add_rounding_flags(*verb, c);
  add_pruning_flags(*verb, c);
  add_zero_flags(*verb, c);
  add_training_flags(*verb, *flags);
  add_target_flags(*verb, c);
  add_report_flag(*verb, *flags);
  add_data_flag(*verb, *flags);
  add_json_flag(*verb, *flags);
  add_machine_flags(*verb, *flags);
  verb->callback([flags, verb, &chosen] {
    require_pruning(*verb);
    require_model(*verb, *flags);
    if (flags->sensitivity) require_nothing_made(*verb);
    if (!flags->report.empty()) flags->run_dir = flags->report;
    // A choice by measurement always tells why.
    if (!flags->report.empty() || !flags->config.target.empty()) {
      flags->config.report = true;
      flags->command = command_of(*verb);
    }
    chosen = [flags] { return run(*flags); };
  });
}

}  // namespace espalier::app
