#include "app/compress_report.h"

#include <cstdio>
#include <filesystem>

#include "engine/io/json.h"

namespace espalier::app {
namespace {

Json as_json(const CompressConfig& config, const CompressOutcome& o) {
  Json out = Json::parse(to_json(config));
  out.update({{"seconds", o.seconds},
              {"accuracy_before", o.before.accuracy()},
              {"accuracy_after", o.after.accuracy()},
              {"samples", o.after.samples},
              {"signal_to_noise_db", o.logits.signal_to_noise},
              {"largest_logit_difference", o.logits.largest_difference},
              {"same_prediction", o.logits.agreement},
              {"bytes_before", o.bytes_before},
              {"bytes_after", o.bytes_after}});
  return out;
}

std::string how_made(const CompressConfig& config) {
  std::string text = "encoder in whole numbers, " + config.observer + " ranges from " +
                     std::to_string(config.calibration_images) + " training images";
  if (config.qat_epochs)
    text += ", trained for " + std::to_string(config.qat_epochs) +
            (config.qat_epochs == 1 ? " epoch" : " epochs") + " on its own kernels";
  return text;
}

void print_text(const CompressConfig& config, const CompressOutcome& o) {
  const auto percent = [](double share) { return 100 * share; };
  std::printf("%s: %s (%.1f s)\n", config.output.c_str(), how_made(config).c_str(), o.seconds);
  std::printf("accuracy  %.2f %% -> %.2f %% of %lld test images; %.2f %% predictions unchanged\n",
              percent(o.before.accuracy()), percent(o.after.accuracy()),
              static_cast<long long>(o.after.samples), percent(o.logits.agreement));
  std::printf("logits    signal to noise %.1f dB, largest difference %.3f\n",
              o.logits.signal_to_noise, o.logits.largest_difference);
  std::printf("file      %.2f MB -> %.2f MB\n", static_cast<double>(o.bytes_before) * 1e-6,
              static_cast<double>(o.bytes_after) * 1e-6);
}

}  // namespace

CompressOutcome measure_compressed(const CompressConfig& config, const LoadedModel& before,
                                   const std::string& data_folder) {
  const ImageDataset test = load_fashion_mnist(data_folder, Split::test);
  const LoadedModel after = load_model(config.output);
  const Tensor expected = logits_of(before.graph, before.config, test);
  const Tensor found = logits_of(after.graph, after.config, test);
  return {.before = score(expected, test.labels),
          .after = score(found, test.labels),
          .logits = fidelity(found, expected),
          .bytes_before = static_cast<int64_t>(std::filesystem::file_size(config.model)),
          .bytes_after = static_cast<int64_t>(std::filesystem::file_size(config.output))};
}

void print_compressed(const CompressConfig& config, const CompressOutcome& outcome, bool json) {
  if (json)
    std::printf("%s\n", as_json(config, outcome).dump(2).c_str());
  else
    print_text(config, outcome);
}

}  // namespace espalier::app
