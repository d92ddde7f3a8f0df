#include "app/compress_report.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "compress/sensitivity.h"
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
              {"bytes_after", o.bytes_after},
              {"parameters_before", o.parameters_before},
              {"parameters_after", o.parameters_after},
              {"flops_before", o.flops_before},
              {"flops_after", o.flops_after}});
  return out;
}

std::string epochs(int64_t count) {
  return std::to_string(count) + (count == 1 ? " epoch" : " epochs");
}

std::string how_pruned(const CompressConfig& c) {
  char share[32];
  std::snprintf(share, sizeof share, "%g %%", 100 * c.sparsity);
  return std::string(share) + " of " + c.sparsity_of + " pruned by " + c.importance +
         (c.recover_epochs ? ", recovered in " + epochs(c.recover_epochs) : ", not trained since");
}

std::string how_rounded(const CompressConfig& c) {
  if (c.dtype != "int8") return "weights in " + c.dtype;
  std::string text = "whole numbers up to the head, " + c.observer + " ranges from " +
                     std::to_string(c.calibration_images) + " training images";
  if (c.equalize) text += ", equalised";
  if (c.bias_correction) text += ", biases corrected";
  if (c.qat_epochs) text += ", trained for " + epochs(c.qat_epochs) + " on its own kernels";
  return text;
}

void print_text(const CompressConfig& config, const CompressOutcome& o) {
  const auto percent = [](double share) { return 100 * share; };
  const bool pruned = config.sparsity > 0, rounded = config.dtype != "f32";
  std::printf("%s: %s%s%s (%.1f s)\n", config.output.c_str(),
              pruned ? how_pruned(config).c_str() : "", pruned && rounded ? "; " : "",
              rounded ? how_rounded(config).c_str() : "", o.seconds);
  std::printf("accuracy  %.2f %% -> %.2f %% of %lld test images; %.2f %% predictions unchanged\n",
              percent(o.before.accuracy()), percent(o.after.accuracy()),
              static_cast<long long>(o.after.samples), percent(o.logits.agreement));
  std::printf("logits    signal to noise %.1f dB, largest difference %.3f\n",
              o.logits.signal_to_noise, o.logits.largest_difference);
  if (pruned)
    std::printf(
        "model     %lld -> %lld parameters, %.2f -> %.2f MFLOP an image\n",
        static_cast<long long>(o.parameters_before), static_cast<long long>(o.parameters_after),
        static_cast<double>(o.flops_before) * 1e-6, static_cast<double>(o.flops_after) * 1e-6);
  std::printf("file      %.2f MB -> %.2f MB\n", static_cast<double>(o.bytes_before) * 1e-6,
              static_cast<double>(o.bytes_after) * 1e-6);
}

int64_t flops_of(const Graph& graph) {
  int64_t flops = 0;
  for (const Graph::Node& node : graph.nodes) flops += cost_of(graph, node, 1).flops;
  return flops;
}

}  // namespace

CompressOutcome measure_compressed(const CompressConfig& config, const LoadedModel& before,
                                   const std::string& data_folder) {
  const ImageDataset test = load_fashion_mnist(data_folder, Split::test);
  const LoadedModel after = load_model(config.output);
  const Tensor expected = logits_of(before.graph, before.config, test, before.options);
  const Tensor found = logits_of(after.graph, after.config, test, after.options);
  return {.before = score(expected, test.labels),
          .after = score(found, test.labels),
          .logits = fidelity(found, expected),
          .bytes_before = static_cast<int64_t>(std::filesystem::file_size(config.model)),
          .bytes_after = static_cast<int64_t>(std::filesystem::file_size(config.output)),
          .parameters_before = before.config.parameter_count(),
          .parameters_after = after.config.parameter_count(),
          .flops_before = flops_of(before.graph),
          .flops_after = flops_of(after.graph)};
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
