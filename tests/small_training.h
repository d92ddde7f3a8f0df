// A training that takes a moment, and what every training must keep.
#pragma once

#include <filesystem>

#include "engine/io/safetensors.h"
#include "engine/parallel.h"
#include "nn/trainer.h"
#include "tests/gradient_test.h"
#include "tests/temporary_folder.h"

namespace espalier::test {

// Stripes whose direction is the class.
inline ImageDataset stripes(int64_t samples, uint64_t seed) {
  ImageDataset dataset{Tensor::empty({samples, 8, 8, 1}, DType::u8),
                       Tensor::empty({samples}, DType::s64),
                       {"rows", "columns"}};
  Generator generator(seed);
  for (int64_t i = 0; i < samples; ++i) {
    const int64_t label = generator.below(2), phase = generator.below(4);
    dataset.labels.data<int64_t>()[i] = label;
    for (int64_t y = 0; y < 8; ++y)
      for (int64_t x = 0; x < 8; ++x) {
        const bool light = ((label ? x : y) + phase) % 4 < 2;
        dataset.images.data<uint8_t>()[(i * 8 + y) * 8 + x] =
            static_cast<uint8_t>((light ? 150 : 0) + generator.below(100));
      }
  }
  return dataset;
}

inline TrainConfig small_run(const char* precision = "f32") {
  TrainConfig config;
  config.precision = precision;
  config.model = {.image_size = 8,
                  .classes = 2,
                  .conv_channels = {4},
                  .width = 16,
                  .depth = 2,
                  .heads = 2,
                  .mlp_hidden = 16,
                  .dropout = 0.1,
                  .drop_path = 0.1};
  config.epochs = 4;
  config.batch_size = 32;
  config.chunk_size = 8;
  config.learning_rate = 5e-3;
  config.warmup_steps = 5;
  config.checkpoint_steps = 3;
  config.ema_decay = 0.8;
  config.augmentation = {.flip = 0.5, .shift = 1, .erase = 0.2, .erase_min = 1, .erase_max = 3};
  return config;
}

inline std::unique_ptr<VisionTransformer> small_model(uint64_t seed = 7) {
  auto model = initial_model(small_run().model, seed);
  model->eval();
  return model;
}

inline std::string new_run(const TemporaryFolder& folder, const std::string& name) {
  std::filesystem::create_directories(folder.file(name + "/checkpoints"));
  return folder.file(name);
}

using PartsFactory = std::function<TrainerParts()>;
inline TrainerParts usual_parts() { return {}; }

inline std::vector<float> weights_of(const Trainable& trained) {
  std::vector<float> weights;
  for (const auto& [name, tensor] : trained.named_parameters())
    weights.insert(weights.end(), tensor.data<float>(), tensor.data<float>() + tensor.numel());
  return weights;
}

// A training on 1, 2, 3 and 8 threads learns, and ends with the same bits.
inline void check_thread_counts(const TrainConfig& config,
                                const PartsFactory& parts = usual_parts) {
  const TemporaryFolder folder;
  const int before = num_threads();
  std::vector<float> first;
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    const std::string run = new_run(folder, std::to_string(threads));
    Trainer trainer(config, stripes(320, 1), stripes(100, 2), run, parts());
    double accuracy = 0;
    CHECK(
        trainer.run({.epoch = [&](const EpochReport& r) { accuracy = r.validation->accuracy(); }}));
    CHECK(accuracy > 0.9);
    const std::vector<float> weights = weights_of(trainer.trained());
    if (first.empty()) first = weights;
    CHECK(std::memcmp(weights.data(), first.data(), first.size() * sizeof(float)) == 0);
  }
  set_num_threads(before);
}

// A run that is broken off anywhere and resumed ends with the same bits.
inline void check_resuming(const TrainConfig& config, const PartsFactory& parts = usual_parts) {
  const TemporaryFolder folder;
  const std::string whole = new_run(folder, "whole"), broken = new_run(folder, "broken");
  Trainer(config, stripes(320, 1), stripes(100, 2), whole, parts()).run();
  bool finished = false;
  for (int64_t part = 0; !finished; ++part) {
    Trainer trainer(config, stripes(320, 1), stripes(100, 2), broken, parts());
    if (part) trainer.resume();
    // Thrown out of in the middle, as a kill would: what was done since the checkpoint is lost.
    const int64_t stop_at = trainer.step() + 4 + part % 3;
    try {
      finished = trainer.run({.step = [&](const StepReport& report) {
        if (report.step == stop_at) throw std::runtime_error("killed");
      }});
    } catch (const std::runtime_error&) {
    }
  }
  const TensorFile a = load_safetensors(whole + "/checkpoints/last.safetensors");
  const TensorFile b = load_safetensors(broken + "/checkpoints/last.safetensors");
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (const auto& entry : a.tensors)
    CHECK_MESSAGE(entry.second.to_vector() == b.at(entry.first).to_vector(), entry.first);
}

}  // namespace espalier::test
