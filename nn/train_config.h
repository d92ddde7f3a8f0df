// Everything that shapes a training run. It is saved in the run folder and in every checkpoint.
#pragma once

#include <string>

#include "engine/precision.h"
#include "nn/data/augment.h"
#include "nn/vit.h"

namespace espalier {

struct TrainConfig {
  ViTConfig model = named_config("vit-tiny");
  std::string optimizer = "adamw";  // or "muon", or "sgd" (momentum 0.9)
  // Of matrix products, or "bf16", or on a GPU "f16", where the loss is scaled; weights stay fp32.
  std::string precision = "f32";
  int64_t epochs = 3;
  int64_t batch_size = 128;
  int64_t chunk_size = 16;      // samples that go through the model at once on one thread
  double learning_rate = 1e-3;  // at the end of the warm-up
  double final_learning_rate = 1e-5;
  int64_t warmup_steps = 400;  // linear from 0; then a cosine down to final_learning_rate
  double weight_decay = 0.06;  // on matrices only
  double clip_norm = 1.0;      // global gradient norm; 0 is off
  double label_smoothing = 0.1;
  double distillation = 0;         // share of the loss that a teacher's logits make; 0 is off
  double temperature = 2;          // of both softmaxes then
  double ema_decay = 0.998;        // weight averaging; 0 is off
  int64_t validation = 5000;       // samples held out of the training set to choose settings by
  int64_t max_steps = 0;           // stop after so many steps; 0 runs all epochs
  int64_t checkpoint_steps = 200;  // save this often, beside every end of an epoch
  uint64_t seed = 1;
  Augmentation augmentation{.flip = 0.5, .shift = 2};
};

// Throws an argument error that names the first field out of range.
void validate(const TrainConfig& config);

// Of a valid configuration.
Precision precision_of(const TrainConfig& config);

std::string to_json(const TrainConfig& config);
// Fields that the text leaves out keep their defaults. Errors are file errors that name `origin`.
TrainConfig train_config_from_json(const std::string& text, const std::string& origin);

// The settings that the built-in model `name` is trained with unless told otherwise.
TrainConfig named_train_config(const std::string& name);

}  // namespace espalier
