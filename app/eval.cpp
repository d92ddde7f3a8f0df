#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/inference_flags.h"
#include "bench/plot.h"
#include "bench/png.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "nn/evaluate.h"
#include "nn/model_file.h"

namespace espalier::app {
namespace {

struct EvalFlags : InferenceFlags {
  std::string model, picture, outputs;
  double min_accuracy = 0;
};

void print_text(const Evaluation& result, const ImageDataset& dataset, bool quiet) {
  std::printf("accuracy %.2f %% +- %.2f (%lld of %lld test images), loss %.4f, %.0f images/s\n",
              100 * result.accuracy(), 100 * result.half_interval(),
              static_cast<long long>(result.correct), static_cast<long long>(result.samples),
              result.loss, static_cast<double>(result.samples) / result.seconds);
  if (quiet) return;
  const int64_t classes = dataset.classes();
  for (int64_t c = 0; c < classes; ++c) {
    int64_t total = 0;
    for (int64_t k = 0; k < classes; ++k)
      total += result.confusion[static_cast<size_t>(c * classes + k)];
    const int64_t right = result.confusion[static_cast<size_t>(c * classes + c)];
    std::printf("  %-12s %6.2f %%\n", dataset.class_names[static_cast<size_t>(c)].c_str(),
                total ? 100.0 * static_cast<double>(right) / static_cast<double>(total) : 0.0);
  }
}

void draw_confusion(const std::string& path, const Evaluation& result,
                    const ImageDataset& dataset) {
  char title[96];
  std::snprintf(title, sizeof title, "Confusion matrix, %lld test images, accuracy %.2f %%",
                static_cast<long long>(result.samples), 100 * result.accuracy());
  bench::save_png(draw(bench::HeatMap{
                      .title = title,
                      .row_label = "true class",
                      .column_label = "predicted class",
                      .rows = dataset.class_names,
                      .columns = dataset.class_names,
                      .values = {result.confusion.begin(), result.confusion.end()},
                      .normalise_rows = true,
                  }),
                  path);
}

// What another engine needs to repeat the evaluation.
void save_outputs(const std::string& path, Predictor& predictor, const ViTConfig& config,
                  const ImageDataset& test) {
  save_safetensors(path, {{"images", normalized(test.images, config)},
                          {"labels", test.labels},
                          {"logits", logits_of(predictor, config, test)}});
}

int run(const EvalFlags& flags) {
  const Device device = apply_machine_flags(flags);
  const LoadedModel loaded = load_model(flags.model);
  const ImageDataset test = load_fashion_mnist(flags.data, Split::test);
  Predictor predictor = predictor_of(loaded, flags, device);
  const Evaluation result = evaluate(predictor, loaded.config, test);
  if (flags.json) {
    const Json json = {{"model", flags.model},
                       {"accuracy", result.accuracy()},
                       {"half_interval_95", result.half_interval()},
                       {"loss", result.loss},
                       {"correct", result.correct},
                       {"samples", result.samples},
                       {"seconds", result.seconds},
                       {"images_per_second", static_cast<double>(result.samples) / result.seconds},
                       {"classes", test.class_names},
                       {"confusion", result.confusion}};
    std::printf("%s\n", json.dump(2).c_str());
  } else {
    print_text(result, test, flags.quiet);
  }
  if (!flags.picture.empty()) draw_confusion(flags.picture, result, test);
  if (!flags.outputs.empty()) save_outputs(flags.outputs, predictor, loaded.config, test);
  if (100 * result.accuracy() >= flags.min_accuracy) return done;
  std::fprintf(stderr, "espalier: accuracy %.2f %% is below --min-accuracy %.2f\n",
               100 * result.accuracy(), flags.min_accuracy);
  return gate_missed;
}

}  // namespace

void add_eval(CLI::App& app, Body& chosen) {
  auto flags = std::make_shared<EvalFlags>();
  CLI::App* verb = app.add_subcommand("eval", "Measure a model's accuracy on the test images");
  verb->add_option("model", flags->model, "Model file or checkpoint (.safetensors)")->required();
  verb->add_option("--min-accuracy", flags->min_accuracy, "Exit with 4 below this, in per cent")
      ->check(CLI::Range(0.0, 100.0));
  verb->add_option("--picture", flags->picture, "Draw the confusion matrix to this PNG");
  verb->add_option("--outputs", flags->outputs,
                   "Write the images as the model takes them, their labels and the logits to this "
                   ".safetensors file");
  add_data_flag(*verb, *flags);
  add_json_flag(*verb, *flags);
  add_inference_flags(*verb, *flags);
  verb->callback([flags, &chosen] { chosen = [flags] { return run(*flags); }; });
}

}  // namespace espalier::app
