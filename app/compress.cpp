#include <chrono>
#include <filesystem>

#include "app/command.h"
#include "app/compress_report.h"
#include "app/training_run.h"
#include "compress/convert.h"
#include "compress/observers/factory.h"
#include "compress/qat.h"
#include "engine/error.h"
#include "engine/io/file.h"

namespace espalier::app {
namespace {

struct CompressFlags : CommonFlags {
  CompressConfig config;
  std::string run_dir, resume;
};

const char* const config_file = "/compress.json";

Int8Scales calibrated_scales(const CompressConfig& config, const LoadedModel& loaded,
                             const ImageDataset& train) {
  Generator generator(config.seed);
  std::vector<int64_t> chosen = permutation(train.size(), generator);
  chosen.resize(static_cast<size_t>(std::min(config.calibration_images, train.size())));
  const Tensor images = normalized(train.subset(chosen).images, loaded.config);
  return choose_int8_scales(loaded.graph,
                            calibrate(loaded.graph, images, observer_factory(config.observer)));
}

// One more module with the weights of the loaded one.
std::unique_ptr<VisionTransformer> copy_of(const VisionTransformer& model) {
  Generator unused;
  auto copy = std::make_unique<VisionTransformer>(model.config, unused);
  copy->load_state_dict(model.state_dict());
  return copy;
}

// For the metadata of the file.
std::map<std::string, std::string> notes_of(const CompressConfig& config) {
  return {{"espalier.calibration_images", std::to_string(config.calibration_images)},
          {"espalier.observer", config.observer},
          {"espalier.qat_epochs", std::to_string(config.qat_epochs)}};
}

void write_calibrated(const CompressConfig& config, const LoadedModel& loaded,
                      const Int8Scales& scales) {
  save_int8_model(config.output, loaded.config, loaded.graph, convert_int8(loaded.graph, scales),
                  notes_of(config));
}

// Trains the rounded model and puts the best one in place; false where it was interrupted.
bool write_trained(const CompressFlags& flags, const LoadedModel& loaded,
                   const Int8Scales& scales) {
  const CompressConfig& config = flags.config;
  const TrainConfig training = qat_config(config, loaded.config);
  TrainerParts parts{.form = [&] {
    return std::make_unique<QatModel>(copy_of(*loaded.model), scales,
                                      QatOptions{config.learn_scales, notes_of(config)});
  }};
  if (config.distillation > 0) parts.teacher = loaded.graph;
  const TrainingResult result =
      run_training({.config = training,
                    .folder = flags.run_dir + "/qat",
                    .what = "training " + loaded.config.name + " on its integer kernels",
                    .resume_command = "espalier compress --resume " + flags.run_dir,
                    .resume = std::filesystem::exists(flags.run_dir + "/qat/config.json"),
                    .quiet = flags.quiet,
                    .parts = std::move(parts)},
                   load_training_data(training, flags.data));
  if (!result.finished) return false;
  write_atomically(config.output, {MappedFile(result.best).bytes()});
  return true;
}

void take_up(CompressFlags& flags) {
  const std::string path = flags.resume + config_file;
  flags.config = compress_config_from_json(read_text(path), path);
  flags.run_dir = flags.resume;
}

void begin(CompressFlags& flags) {
  if (flags.run_dir.empty()) flags.run_dir = default_run_dir("compress");
  if (std::filesystem::exists(flags.run_dir + config_file))
    file_error(flags.run_dir, "holds a run already; continue it with --resume " + flags.run_dir +
                                  " or choose another --run-dir");
  std::error_code error;
  std::filesystem::create_directories(flags.run_dir, error);
  if (error) file_error(flags.run_dir, "cannot make the run folder: " + error.message());
  write_atomically(flags.run_dir + config_file, to_json(flags.config) + "\n");
}

int run(CompressFlags flags) {
  apply_machine_flags(flags);
  const bool resuming = !flags.resume.empty();
  if (resuming) take_up(flags);
  const CompressConfig& config = flags.config;
  validate(config);
  const LoadedModel before = load_model(config.model);
  if (!before.model)
    file_error(config.model, "holds a model in whole numbers already; give the fp32 model");
  const auto start = std::chrono::steady_clock::now();
  const Int8Scales scales =
      calibrated_scales(config, before, load_fashion_mnist(flags.data, Split::train));
  if (config.qat_epochs == 0) {
    write_calibrated(config, before, scales);
  } else {
    if (!resuming) begin(flags);
    if (!write_trained(flags, before, scales)) return interrupted;
  }
  const auto end = std::chrono::steady_clock::now();
  CompressOutcome outcome = measure_compressed(config, before, flags.data);
  outcome.seconds = std::chrono::duration<double>(end - start).count();
  print_compressed(config, outcome, flags.json);
  return done;
}

void add_training_flags(CLI::App& verb, CompressFlags& flags) {
  CompressConfig& c = flags.config;
  const char* group = "Training on the integer kernels";
  verb.add_option("--qat", c.qat_epochs, "Epochs of it; 0 rounds the model as it is")
      ->check(CLI::Range(0, 100'000))
      ->group(group)
      ->capture_default_str();
  verb.add_flag("--learn-scales", c.learn_scales, "The scales of activations learn too (LSQ)")
      ->group(group);
  verb.add_option("--learning-rate", c.learning_rate, "At the end of the warm-up")
      ->check(CLI::PositiveNumber)
      ->group(group)
      ->capture_default_str();
  verb.add_option("--distillation", c.distillation,
                  "Share of the loss that the fp32 model's logits make; 0 is off")
      ->check(CLI::Range(0.0, 1.0))
      ->group(group)
      ->capture_default_str();
  verb.add_option("--temperature", c.temperature, "Of the softmaxes of distillation")
      ->check(CLI::PositiveNumber)
      ->group(group)
      ->capture_default_str();
  verb.add_option("--precision", c.precision, "Of the products behind gradients")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->group(group)
      ->capture_default_str();
  verb.add_option("--max-steps", c.max_steps, "Stop after so many steps; 0 runs all epochs")
      ->check(CLI::NonNegativeNumber)
      ->group(group)
      ->capture_default_str();
  CLI::Option* run_dir =
      verb.add_option("--run-dir", flags.run_dir, "Folder for the training run")->group(group);
  verb.add_option("--resume", flags.resume, "Continue the run in this folder, as it was asked for")
      ->excludes(run_dir)
      ->group(group);
}

void require_model(const CLI::App& verb, const CompressFlags& flags) {
  if (!flags.resume.empty()) {
    for (const CLI::Option* option : verb.get_options())
      if (option->count() && (option->get_name() == "model" || option->get_name() == "--output"))
        throw CLI::ValidationError(option->get_name(), "is what --resume takes up; leave it out");
    return;
  }
  if (flags.config.model.empty()) throw CLI::RequiredError("model");
  if (flags.config.output.empty()) throw CLI::RequiredError("--output");
}

}  // namespace

void add_compress(CLI::App& app, Body& chosen) {
  auto flags = std::make_shared<CompressFlags>();
  CompressConfig& c = flags->config;
  CLI::App* verb =
      app.add_subcommand("compress", "Turn a trained model into a smaller, faster one");
  verb->add_option("model", c.model, "Model file or checkpoint (.safetensors)");
  verb->add_option("-o,--output", c.output, "Model file to write");
  verb->add_option("--dtype", c.dtype, "Arithmetic of the encoder")
      ->check(CLI::IsMember({"int8"}))
      ->capture_default_str();
  verb->add_option("--observer", c.observer, "What chooses the ranges of activations")
      ->check(CLI::IsMember(observer_names()))
      ->capture_default_str();
  verb->add_option("--calibration-images", c.calibration_images,
                   "Training images that the ranges of activations are observed on")
      ->check(CLI::Range(1, 60'000))
      ->capture_default_str();
  verb->add_option("--seed", c.seed, "Seed of the choice of those images, and of the training")
      ->capture_default_str();
  add_training_flags(*verb, *flags);
  add_data_flag(*verb, *flags);
  add_json_flag(*verb, *flags);
  add_machine_flags(*verb, *flags);
  verb->callback([flags, verb, &chosen] {
    require_model(*verb, *flags);
    chosen = [flags] { return run(*flags); };
  });
}

}  // namespace espalier::app
