// What one compression is asked to do. It is saved in the run folder of those that train.
#pragma once

#include "nn/train_config.h"

namespace espalier {

struct CompressConfig {
  std::string model, output;         // paths: the fp32 model, and the file to write
  std::string dtype = "int8";        // arithmetic of the result
  std::string observer = "min_max";  // compress/observers/factory.h
  int64_t calibration_images = 512;  // training images that ranges are observed on
  uint64_t seed = 1;                 // of their choice, and of the training

  // Quantisation-aware training (compress/qat.h), with the fp32 model as the teacher.
  int64_t qat_epochs = 0;  // 0: none
  bool learn_scales = false;
  double learning_rate = 1e-4;
  double distillation = 0.5;  // share of the loss; the labels make the rest
  double temperature = 2;
  std::string precision = "bf16";  // of the products behind gradients
  int64_t max_steps = 0;           // stop training after so many; 0 runs all epochs
  int64_t validation = 5000;  // images held out of the training set to choose the best epoch by
};

// Throws an argument error that names the first field out of range.
void validate(const CompressConfig& config);

std::string to_json(const CompressConfig& config);
// Fields that the text leaves out keep their defaults. Errors are file errors that name `origin`.
CompressConfig compress_config_from_json(const std::string& text, const std::string& origin);

// How the rounded form of `model` is trained.
TrainConfig qat_config(const CompressConfig& config, const ViTConfig& model);

}  // namespace espalier
