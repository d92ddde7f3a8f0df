#include "app/compress_report.h"

#include <algorithm>
#include <cstdio>

#include "compress/metrics_json.h"
#include "compress/sensitivity.h"
#include "engine/io/json.h"
#include "engine/parallel.h"

namespace espalier::app {
namespace {

Json as_json(const CompressConfig& config, const CompressOutcome& o) {
  Json out = Json::parse(to_json(config));
  out.update({{"seconds", o.seconds},
              {"before", Json::parse(to_json(o.before))},
              {"after", Json::parse(to_json(o.after))},
              {"signal_to_noise_db", o.logits.signal_to_noise},
              {"largest_logit_difference", o.logits.largest_difference},
              {"same_prediction", o.logits.agreement}});
  return out;
}

std::string epochs(int64_t count) {
  return std::to_string(count) + (count == 1 ? " epoch" : " epochs");
}

std::string how_pruned(const CompressConfig& c) {
  return pruning_text(c) +
         (c.recover_epochs ? ", recovered in " + epochs(c.recover_epochs) : ", not trained since");
}

// Of the images there may have been fewer than were asked for: the file tells.
std::string how_rounded(const CompressConfig& c, const ModelMetrics& made) {
  if (c.dtype == "dynamic") return "linear layers in 8-bit codes, activations as they come";
  if (c.dtype != "int8") return "weights in " + c.dtype;
  std::string text = "whole numbers up to the head, " + c.observer + " ranges from " +
                     made.metadata.at("espalier.calibration_images") + " training images";
  for (const std::string& part : c.keep) text += ", " + part + " in " + c.kept_dtype;
  if (c.equalize) text += ", equalised";
  if (c.bias_correction) text += ", biases corrected";
  if (c.qat_epochs) text += ", trained for " + epochs(c.qat_epochs) + " on its own kernels";
  return text;
}

void print_speeds(const CompressOutcome& o) {
  for (size_t i = 0; i < o.after.speeds.size(); ++i) {
    const ModelMetrics::Speed &before = o.before.speeds[i], &after = o.after.speeds[i];
    std::printf(
        "batch %-3lld %.3f ms -> %.3f ms, %.0f images/s on %d thread%s: %.2f times as fast\n",
        static_cast<long long>(after.batch), 1e3 * before.seconds.median,
        1e3 * after.seconds.median, after.images_per_second(), num_threads(),
        num_threads() == 1 ? "" : "s", after.times_as_fast);
  }
}

void print_text(const CompressConfig& config, const CompressOutcome& o) {
  const bool pruned = prunes(config), rounded = config.dtype != "f32";
  const Evaluation &before = o.before.evaluation, &after = o.after.evaluation;
  std::printf("%s: %s%s%s (%.1f s)\n", config.output.c_str(),
              pruned ? how_pruned(config).c_str() : "", pruned && rounded ? "; " : "",
              rounded ? how_rounded(config, o.after).c_str() : "", o.seconds);
  std::printf(
      "accuracy  %.2f %% -> %.2f %% +- %.2f of %lld test images; %.2f %% predictions "
      "unchanged\n",
      100 * before.accuracy(), 100 * after.accuracy(), 100 * after.half_interval(),
      static_cast<long long>(after.samples), 100 * o.logits.agreement);
  std::printf("logits    signal to noise %.1f dB, largest difference %.3f\n",
              o.logits.signal_to_noise, o.logits.largest_difference);
  if (pruned)
    std::printf(
        "model     %lld -> %lld parameters, %.2f -> %.2f MFLOP an image\n",
        static_cast<long long>(o.before.parameters), static_cast<long long>(o.after.parameters),
        static_cast<double>(o.before.flops) * 1e-6, static_cast<double>(o.after.flops) * 1e-6);
  if (leaves_zeros(config) && o.after.zero_weights)
    std::printf("zeros     %.2f %% of weights are zero\n", 100 * *o.after.zero_weights);
  const auto megabytes = [](int64_t bytes) { return static_cast<double>(bytes) * 1e-6; };
  std::printf("file      %.2f MB -> %.2f MB\n", megabytes(o.before.file_bytes),
              megabytes(o.after.file_bytes));
  std::printf("memory    %.2f MB -> %.2f MB: packed weights, and activations on every thread\n",
              megabytes(o.before.memory_bytes), megabytes(o.after.memory_bytes));
  print_speeds(o);
}

}  // namespace

BenchmarkOptions benchmark_options(const CompressConfig& config, double timed_seconds) {
  BenchmarkOptions options;
  options.measure.budget_seconds = timed_seconds;
  if (config.latency_batch != 1 && config.latency_batch != 256)
    options.batches.insert(options.batches.begin() + 1, config.latency_batch);
  if (timed_seconds <= 0) options.batches.clear();
  return options;
}

CompressOutcome measure_compressed(const CompressConfig& config, const std::string& data_folder,
                                   double timed_seconds) {
  const ImageDataset test = load_fashion_mnist(data_folder, Split::test);
  const std::string paths[] = {config.model, config.output};
  const std::vector<ModelMetrics> metrics =
      benchmark_models(paths, test, benchmark_options(config, timed_seconds));
  return {.before = metrics[0],
          .after = metrics[1],
          .logits = fidelity(metrics[1].logits, metrics[0].logits)};
}

void print_compressed(const CompressConfig& config, const CompressOutcome& outcome, bool json) {
  if (json)
    std::printf("%s\n", as_json(config, outcome).dump(2).c_str());
  else
    print_text(config, outcome);
}

void print_sensitivity(const CompressConfig& config, const LoadedModel& model,
                       const ImageDataset& images, bool json) {
  const auto layers = sensitivity(model.graph, normalized(images.images, model.config));
  Json listed = Json::array();
  size_t widest = 0;
  for (const LayerSensitivity& at : layers) {
    listed.push_back({{"layer", at.layer},
                      {"weights", at.weights},
                      {"signal_to_noise_db_8_bits", at.with_8_bits},
                      {"signal_to_noise_db_4_bits", at.with_4_bits}});
    widest = std::max(widest, at.layer.size());
  }
  const auto count = static_cast<long long>(images.size());
  if (json) {
    const Json all = {{"model", config.model}, {"images", count}, {"layers", listed}};
    std::printf("%s\n", all.dump(2).c_str());
    return;
  }
  std::printf("logits of %lld training images, one layer's weights rounded at a time\n", count);
  const int width = static_cast<int>(widest);
  std::printf("%-*s  %8s  %7s  %7s\n", width, "layer", "weights", "8 bits", "4 bits");
  for (const LayerSensitivity& at : layers)
    std::printf("%-*s  %8lld  %4.1f dB  %4.1f dB\n", width, at.layer.c_str(),
                static_cast<long long>(at.weights), at.with_8_bits, at.with_4_bits);
}

}  // namespace espalier::app
