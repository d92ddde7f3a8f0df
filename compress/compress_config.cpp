#include "compress/compress_config.h"

#include <algorithm>

#include "compress/observers/factory.h"
#include "engine/error.h"
#include "engine/io/json_fields.h"

namespace espalier {

template <class Visit>
void visit_fields(CompressConfig& c, Visit&& visit) {
  visit("model", c.model);
  visit("output", c.output);
  visit("dtype", c.dtype);
  visit("observer", c.observer);
  visit("calibration_images", c.calibration_images);
  visit("seed", c.seed);
  visit("qat_epochs", c.qat_epochs);
  visit("learn_scales", c.learn_scales);
  visit("learning_rate", c.learning_rate);
  visit("distillation", c.distillation);
  visit("temperature", c.temperature);
  visit("precision", c.precision);
  visit("max_steps", c.max_steps);
  visit("validation", c.validation);
}

void validate(const CompressConfig& c) {
  const auto refuse = [](const char* field, const std::string& got, const char* expected) {
    argument_error("CompressConfig", field, got, expected, "");
  };
  if (c.model.empty()) refuse("model", "empty", "the path of an fp32 model");
  if (c.output.empty()) refuse("output", "empty", "the path of the file to write");
  if (c.dtype != "int8") refuse("dtype", "'" + c.dtype + "'", "'int8'");
  observer_factory(c.observer);
  if (c.calibration_images < 1)
    refuse("calibration_images", std::to_string(c.calibration_images), "at least 1");
  if (c.qat_epochs < 0) refuse("qat_epochs", std::to_string(c.qat_epochs), "0 (none) or more");
  ViTConfig any;
  CompressConfig with_training = c;
  with_training.qat_epochs = std::max<int64_t>(c.qat_epochs, 1);
  validate(qat_config(with_training, any));
}

std::string to_json(const CompressConfig& config) { return fields_to_json(config).dump(2); }

CompressConfig compress_config_from_json(const std::string& text, const std::string& origin) {
  return config_from_json<CompressConfig>(text, origin);
}

TrainConfig qat_config(const CompressConfig& c, const ViTConfig& model) {
  TrainConfig config;
  config.model = model;
  config.epochs = c.qat_epochs;
  config.learning_rate = c.learning_rate;
  config.final_learning_rate = c.learning_rate / 100;
  config.warmup_steps = 100;
  config.weight_decay = 0.05;
  config.distillation = c.distillation;
  config.temperature = c.temperature;
  config.precision = c.precision;
  config.max_steps = c.max_steps;
  config.validation = c.validation;
  config.seed = c.seed;
  config.augmentation.erase = 0.3;
  config.augmentation.mixup = 0.2;
  return config;
}

}  // namespace espalier
