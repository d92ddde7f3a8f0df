#include <algorithm>
#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/inference_flags.h"
#include "bench/gallery.h"
#include "bench/png.h"
#include "engine/io/image.h"
#include "engine/io/json.h"
#include "engine/ops/softmax.h"
#include "engine/ops/view.h"
#include "nn/evaluate.h"
#include "nn/model_file.h"

namespace espalier::app {
namespace {

struct PredictFlags : InferenceFlags {
  std::string model, picture;
  std::vector<std::string> images;
  int64_t test_images = 0;
  uint64_t seed = 1;
  int64_t top = 3;
  bool invert = false;
};

// What is to be classified: pictures, a name for each, and the true class where it is known.
struct Sources {
  ImageDataset pictures;
  std::vector<std::string> names;
  bool labelled = false;
};

Sources from_test_set(const PredictFlags& flags) {
  const ImageDataset test = load_fashion_mnist(flags.data, Split::test);
  Generator generator(flags.seed);
  std::vector<int64_t> chosen = permutation(test.size(), generator);
  chosen.resize(static_cast<size_t>(std::min(flags.test_images, test.size())));
  Sources sources{test.subset(chosen), {}, true};
  for (int64_t index : chosen) sources.names.push_back("test image " + std::to_string(index));
  return sources;
}

Sources from_files(const PredictFlags& flags, const ViTConfig& config) {
  const int64_t count = static_cast<int64_t>(flags.images.size());
  const int64_t size = config.image_size, channels = config.channels;
  Sources sources{{Tensor::empty({count, size, size, channels}, DType::u8),
                   Tensor::zeros({count}, DType::s64), fashion_mnist_classes()},
                  flags.images};
  for (int64_t i = 0; i < count; ++i)
    select(sources.pictures.images, 0, i)
        .copy_(load_image(flags.images[static_cast<size_t>(i)], size, size, channels));
  if (!flags.invert) return sources;
  uint8_t* pixels = sources.pictures.images.data<uint8_t>();
  for (int64_t i = 0; i < sources.pictures.images.numel(); ++i)
    pixels[i] = static_cast<uint8_t>(255 - pixels[i]);
  return sources;
}

// Classes by falling confidence.
std::vector<int64_t> ranked(const float* confidences, int64_t classes) {
  std::vector<int64_t> order(static_cast<size_t>(classes));
  for (int64_t c = 0; c < classes; ++c) order[static_cast<size_t>(c)] = c;
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return confidences[a] > confidences[b]; });
  return order;
}

std::string class_name(const Sources& sources, int64_t index) {
  const auto& names = sources.pictures.class_names;
  return index < sources.pictures.classes() ? names[static_cast<size_t>(index)]
                                            : "class " + std::to_string(index);
}

std::string percent(float share) {
  char text[16];
  std::snprintf(text, sizeof text, "%.1f %%", 100.0 * static_cast<double>(share));
  return text;
}

void draw_picture(const std::string& path, const Sources& sources, const Tensor& confidences) {
  const Tensor& images = sources.pictures.images;
  bench::Gallery gallery{.title = "Predictions and their confidence",
                         .rows = static_cast<int>(images.size(1)),
                         .columns = static_cast<int>(images.size(2))};
  const int64_t classes = confidences.size(1), channels = images.size(3);
  const int64_t pixels = images.size(1) * images.size(2);
  for (int64_t i = 0; i < images.size(0); ++i) {
    const float* row = confidences.data<float>() + i * classes;
    const int64_t best = ranked(row, classes)[0];
    const int64_t label = sources.pictures.labels.data<int64_t>()[i];
    bench::Picture picture{.caption = {class_name(sources, best) + "  " + percent(row[best])}};
    if (sources.labelled) {
      picture.verdict =
          best == label ? bench::Picture::Verdict::right : bench::Picture::Verdict::wrong;
      picture.caption.push_back("truly " + class_name(sources, label));
    } else {
      picture.caption.push_back(sources.names[static_cast<size_t>(i)]);
    }
    for (int64_t p = 0; p < pixels; ++p)
      picture.grey.push_back(images.data<uint8_t>()[(i * pixels + p) * channels]);
    gallery.pictures.push_back(std::move(picture));
  }
  bench::save_png(draw(gallery), path);
}

void print_results(const PredictFlags& flags, const Sources& sources, const Tensor& confidences) {
  const int64_t classes = confidences.size(1), top = std::min(flags.top, classes);
  Json all = Json::array();
  for (int64_t i = 0; i < confidences.size(0); ++i) {
    const float* row = confidences.data<float>() + i * classes;
    const std::vector<int64_t> order = ranked(row, classes);
    Json entry = {{"image", sources.names[static_cast<size_t>(i)]}, {"predictions", Json::array()}};
    std::string text = sources.names[static_cast<size_t>(i)] + ":";
    for (int64_t k = 0; k < top; ++k) {
      const int64_t c = order[static_cast<size_t>(k)];
      text += (k ? ", " : " ") + class_name(sources, c) + " " + percent(row[c]);
      entry["predictions"].push_back({{"class", class_name(sources, c)}, {"confidence", row[c]}});
    }
    if (sources.labelled) {
      const std::string truth = class_name(sources, sources.pictures.labels.data<int64_t>()[i]);
      text += "  (truly " + truth + ")";
      entry["label"] = truth;
    }
    if (!flags.json) std::printf("%s\n", text.c_str());
    all.push_back(std::move(entry));
  }
  if (flags.json) std::printf("%s\n", all.dump(2).c_str());
}

int run(const PredictFlags& flags) {
  const Device device = apply_machine_flags(flags);
  const LoadedModel loaded = load_model(flags.model);
  const ViTConfig& config = loaded.config;
  const Sources sources = flags.images.empty() ? from_test_set(flags) : from_files(flags, config);
  const Tensor images = normalized(sources.pictures.images, config);
  const Tensor confidences = softmax(predictor_of(loaded, flags, device)(images));
  print_results(flags, sources, confidences);
  if (!flags.picture.empty()) draw_picture(flags.picture, sources, confidences);
  return done;
}

}  // namespace

void add_predict(CLI::App& app, Body& chosen) {
  auto flags = std::make_shared<PredictFlags>();
  CLI::App* verb = app.add_subcommand("predict", "Classify pictures, with confidences");
  verb->add_option("model", flags->model, "Model file or checkpoint (.safetensors)")->required();
  CLI::Option* files =
      verb->add_option("images", flags->images, "PNG or JPEG files, light on dark");
  verb->add_option("--test-images", flags->test_images, "Take this many test images at random")
      ->check(CLI::Range(1, 10'000))
      ->excludes(files);
  verb->add_option("--seed", flags->seed, "Seed of the choice of test images")
      ->capture_default_str();
  verb->add_option("--top", flags->top, "Classes to print for each picture")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb->add_flag("--invert", flags->invert, "For pictures that are dark on light");
  verb->add_option("--picture", flags->picture, "Draw the pictures and predictions to this PNG");
  add_data_flag(*verb, *flags);
  add_json_flag(*verb, *flags);
  add_inference_flags(*verb, *flags);
  verb->callback([flags, &chosen] {
    if (flags->images.empty() && !flags->test_images)
      throw CLI::ValidationError("predict", "name pictures or give --test-images N");
    chosen = [flags] { return run(*flags); };
  });
}

}  // namespace espalier::app
