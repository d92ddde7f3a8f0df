#include <chrono>
#include <cstdio>
#include <filesystem>

#include "app/command.h"
#include "compress/convert.h"
#include "compress/fidelity.h"
#include "compress/observers/factory.h"
#include "engine/io/json.h"
#include "nn/evaluate.h"
#include "nn/model_file.h"

namespace espalier::app {
namespace {

struct CompressFlags : CommonFlags {
  std::string model, output, dtype = "int8", observer = "min_max";
  int64_t images = 512;
  uint64_t seed = 1;
};

// What was made, and how it does.
struct Outcome {
  Evaluation before, after;
  Fidelity logits;
  int64_t bytes_before = 0, bytes_after = 0;
  double calibration_seconds = 0;
};

NamedTensors calibrated_parameters(const CompressFlags& flags, const LoadedModel& loaded) {
  const ImageDataset train = load_fashion_mnist(flags.data, Split::train);
  Generator generator(flags.seed);
  std::vector<int64_t> chosen = permutation(train.size(), generator);
  chosen.resize(static_cast<size_t>(std::min(flags.images, train.size())));
  const Tensor images = normalized(train.subset(chosen).images, loaded.config);
  return convert_int8(loaded.graph,
                      calibrate(loaded.graph, images, observer_factory(flags.observer)));
}

Outcome measure(const CompressFlags& flags, const LoadedModel& before, const LoadedModel& after) {
  const ImageDataset test = load_fashion_mnist(flags.data, Split::test);
  Outcome outcome;
  const Tensor expected = logits_of(before.graph, before.config, test);
  const Tensor found = logits_of(after.graph, after.config, test);
  outcome.before = score(expected, test.labels);
  outcome.after = score(found, test.labels);
  outcome.logits = fidelity(found, expected);
  outcome.bytes_before = static_cast<int64_t>(std::filesystem::file_size(flags.model));
  outcome.bytes_after = static_cast<int64_t>(std::filesystem::file_size(flags.output));
  return outcome;
}

Json as_json(const CompressFlags& flags, const Outcome& o) {
  return {{"model", flags.model},
          {"output", flags.output},
          {"dtype", flags.dtype},
          {"observer", flags.observer},
          {"calibration_images", flags.images},
          {"calibration_seconds", o.calibration_seconds},
          {"accuracy_before", o.before.accuracy()},
          {"accuracy_after", o.after.accuracy()},
          {"samples", o.after.samples},
          {"signal_to_noise_db", o.logits.signal_to_noise},
          {"largest_logit_difference", o.logits.largest_difference},
          {"same_prediction", o.logits.agreement},
          {"bytes_before", o.bytes_before},
          {"bytes_after", o.bytes_after}};
}

void print_text(const CompressFlags& flags, const Outcome& o) {
  const auto percent = [](double share) { return 100 * share; };
  std::printf("%s: encoder in whole numbers, %s ranges from %lld training images (%.1f s)\n",
              flags.output.c_str(), flags.observer.c_str(), static_cast<long long>(flags.images),
              o.calibration_seconds);
  std::printf("accuracy  %.2f %% -> %.2f %% of %lld test images; %.2f %% predictions unchanged\n",
              percent(o.before.accuracy()), percent(o.after.accuracy()),
              static_cast<long long>(o.after.samples), percent(o.logits.agreement));
  std::printf("logits    signal to noise %.1f dB, largest difference %.3f\n",
              o.logits.signal_to_noise, o.logits.largest_difference);
  std::printf("file      %.2f MB -> %.2f MB\n", static_cast<double>(o.bytes_before) * 1e-6,
              static_cast<double>(o.bytes_after) * 1e-6);
}

int run(const CompressFlags& flags) {
  apply_machine_flags(flags);
  const LoadedModel before = load_model(flags.model);
  if (!before.model)
    file_error(flags.model, "holds a model in whole numbers already; give the fp32 model");
  const auto start = std::chrono::steady_clock::now();
  const NamedTensors parameters = calibrated_parameters(flags, before);
  save_int8_model(flags.output, before.config, before.graph, parameters,
                  {{"espalier.calibration_images", std::to_string(flags.images)},
                   {"espalier.observer", flags.observer}});
  const auto end = std::chrono::steady_clock::now();
  // Measured on the file that was written, not on what it was written from.
  Outcome outcome = measure(flags, before, load_model(flags.output));
  outcome.calibration_seconds = std::chrono::duration<double>(end - start).count();
  if (flags.json)
    std::printf("%s\n", as_json(flags, outcome).dump(2).c_str());
  else
    print_text(flags, outcome);
  return done;
}

}  // namespace

void add_compress(CLI::App& app, Body& chosen) {
  auto flags = std::make_shared<CompressFlags>();
  CLI::App* verb =
      app.add_subcommand("compress", "Turn a trained model into a smaller, faster one");
  verb->add_option("model", flags->model, "Model file or checkpoint (.safetensors)")->required();
  verb->add_option("-o,--output", flags->output, "Model file to write")->required();
  verb->add_option("--dtype", flags->dtype, "Arithmetic of the encoder")
      ->check(CLI::IsMember({"int8"}))
      ->capture_default_str();
  verb->add_option("--observer", flags->observer, "What chooses the ranges of activations")
      ->check(CLI::IsMember(observer_names()))
      ->capture_default_str();
  verb->add_option("--calibration-images", flags->images,
                   "Training images that the ranges of activations are observed on")
      ->check(CLI::Range(1, 60'000))
      ->capture_default_str();
  verb->add_option("--seed", flags->seed, "Seed of the choice of those images")
      ->capture_default_str();
  add_data_flag(*verb, *flags);
  add_json_flag(*verb, *flags);
  add_machine_flags(*verb, *flags);
  verb->callback([flags, &chosen] { chosen = [flags] { return run(*flags); }; });
}

}  // namespace espalier::app
