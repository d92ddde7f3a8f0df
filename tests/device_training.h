// Short trainings on a device, and how far two of them may be apart.
#pragma once

#include <algorithm>
#include <filesystem>

#include "nn/trainer.h"
#include "tests/device_test.h"
#include "tests/temporary_folder.h"

namespace espalier::test {

// Noise of a brightness that tells the class.
inline ImageDataset shades(int64_t samples, const ViTConfig& model, uint64_t seed) {
  const std::vector<std::string> names(static_cast<size_t>(model.classes), "shade");
  ImageDataset dataset{Tensor::empty(model.batch_shape(samples), DType::u8),
                       Tensor::empty({samples}, DType::s64), names};
  Generator generator(seed);
  const int64_t pixels = dataset.images.numel() / std::max<int64_t>(1, samples);
  for (int64_t i = 0; i < samples; ++i) {
    const int64_t label = generator.below(model.classes);
    dataset.labels.data<int64_t>()[i] = label;
    for (int64_t k = 0; k < pixels; ++k)
      dataset.images.data<uint8_t>()[i * pixels + k] =
          static_cast<uint8_t>(label * 20 + generator.below(60));
  }
  return dataset;
}

// So many steps at batch 8, in two chunks, from the first step on at the full learning rate.
inline TrainConfig short_run(const char* model, int64_t steps) {
  TrainConfig config = named_train_config(model);
  config.optimizer = "adamw";  // Muon has tests of its own
  config.batch_size = 8;
  config.chunk_size = 4;
  config.epochs = 1;
  config.max_steps = steps;
  config.warmup_steps = 1;
  config.model.dropout = config.model.drop_path = 0.1;
  return config;
}

struct Course {
  std::vector<double> losses, norms;
  double validation_loss = 0;
};

inline TrainerParts on(Device device) {
  TrainerParts parts;
  parts.device = device;
  return parts;
}

// Another model of the configuration, as it begins.
inline Graph teacher_of(const TrainConfig& config) {
  auto model = initial_model(config.model, config.seed + 1);
  model->eval();
  return capture(*model);
}

// `nudge` moves every weight of the beginning by as much of itself, up and down in turn.
inline Course course(const TrainConfig& config, Device device, double nudge = 0) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.file("checkpoints"));
  TrainerParts parts = on(device);
  if (config.distillation > 0) parts.teachers = {teacher_of(config)};
  parts.form = [&] {
    auto model = initial_model(config.model, config.seed);
    for (const auto& [name, weight] : model->named_parameters())
      for (int64_t i = 0; i < weight.numel(); ++i)
        weight.data<float>()[i] *= static_cast<float>(1 + (i % 2 ? nudge : -nudge));
    return std::make_unique<Trainable>(std::move(model));
  };
  Trainer trainer(config, shades(config.batch_size * config.max_steps, config.model, 1),
                  shades(10, config.model, 2), folder.path(), std::move(parts));
  Course out;
  trainer.run({.step =
                   [&](const StepReport& report) {
                     out.losses.push_back(report.loss);
                     out.norms.push_back(report.grad_norm);
                   },
               .epoch = [&](const EpochReport& r) { out.validation_loss = r.validation->loss; }});
  return out;
}

// What rounding may do to a course: weights that are off by an epsilon from the beginning show how
// far a training carries one rounding. A kernel may round as often as its longest sum has terms,
// and errors of both signs add up like the root of that.
inline std::vector<double> bounds_of(const Course& exact, const Course& nudged, double terms,
                                     double rounding = epsilon) {
  std::vector<double> bounds;
  double grown = 0;
  for (size_t i = 0; i < exact.losses.size(); ++i) {
    grown = std::max(grown, std::abs(exact.losses[i] - nudged.losses[i]));
    bounds.push_back(std::sqrt(terms) * (grown + rounding * exact.losses[i]));
  }
  return bounds;
}

// The same of a model that takes a moment.
inline TrainConfig tiny_run(int64_t steps) {
  TrainConfig config = short_run("vit-tiny", steps);
  config.model.width = 16, config.model.mlp_hidden = 16, config.model.depth = 1;
  config.model.conv_channels = {4};
  config.model.image_size = 8;
  return config;
}

// ---- a loss scale that changes ----

// A sample a step, and a model that is sure of class 0. The samples of another class then meet a
// gradient of -1 for their logit, which f16 cannot hold 2^16 times.
inline TrainConfig overflowing_run(int64_t steps) {
  TrainConfig config = tiny_run(steps);
  config.precision = "f16";
  config.batch_size = config.chunk_size = config.checkpoint_steps = 1;
  config.label_smoothing = 0;
  config.seed = 2;  // which begins with a sample of class 0
  return config;
}

inline ImageDataset seldom_another_class(const TrainConfig& config) {
  ImageDataset dataset = shades(config.max_steps, config.model, 1);
  for (int64_t i = 0; i < config.max_steps; ++i)
    dataset.labels.data<int64_t>()[i] = i % 4 == 3 ? 5 : 0;
  return dataset;
}

inline TrainerParts sure_of_class_0(const TrainConfig& config) {
  TrainerParts parts = on(Device::cuda());
  parts.form = [config] {
    auto model = initial_model(config.model, config.seed);
    for (const auto& [name, weight] : model->named_parameters())
      if (name == "head.bias") weight.data<float>()[0] = 20;
    return std::make_unique<Trainable>(std::move(model));
  };
  return parts;
}

inline std::string run_folder(const TemporaryFolder& folder, const std::string& name) {
  std::filesystem::create_directories(folder.file(name + "/checkpoints"));
  return folder.file(name);
}

}  // namespace espalier::test
