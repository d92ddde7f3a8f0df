#include "nn/train_config.h"

#include "engine/error.h"
#include "nn/train_fields.h"

namespace espalier {
namespace {

void require_training(bool holds, const char* field, double got, const char* expected) {
  if (!holds) argument_error("TrainConfig", field, std::to_string(got), expected, "");
}

}  // namespace

template <class Visit>
void visit_fields(TrainConfig& c, Visit&& visit) {
  visit("model", c.model);
  visit("optimizer", c.optimizer);
  visit("precision", c.precision);
  visit("epochs", c.epochs);
  visit("batch_size", c.batch_size);
  visit("chunk_size", c.chunk_size);
  visit("learning_rate", c.learning_rate);
  visit("final_learning_rate", c.final_learning_rate);
  visit("warmup_steps", c.warmup_steps);
  visit("weight_decay", c.weight_decay);
  visit("clip_norm", c.clip_norm);
  visit("label_smoothing", c.label_smoothing);
  visit("distillation", c.distillation);
  visit("temperature", c.temperature);
  visit("ema_decay", c.ema_decay);
  visit("validation", c.validation);
  visit("max_steps", c.max_steps);
  visit("checkpoint_steps", c.checkpoint_steps);
  visit("seed", c.seed);
  visit("augmentation", c.augmentation);
}

void validate(const TrainConfig& c) {
  validate(c.model);
  validate(c.augmentation);
  if (c.optimizer != "adamw" && c.optimizer != "muon" && c.optimizer != "sgd")
    argument_error("TrainConfig", "optimizer", "'" + c.optimizer + "'", "'adamw', 'muon' or 'sgd'",
                   "");
  precision_of(c);
  require_training(c.epochs >= 1 && c.epochs <= 100'000, "epochs", static_cast<double>(c.epochs),
                   "1 to 100000");
  require_training(c.batch_size >= 1 && c.batch_size <= 65'536, "batch_size",
                   static_cast<double>(c.batch_size), "1 to 65536");
  require_training(c.chunk_size >= 1, "chunk_size", static_cast<double>(c.chunk_size),
                   "at least 1");
  require_training(c.learning_rate > 0, "learning_rate", c.learning_rate, "more than 0");
  require_training(c.final_learning_rate >= 0, "final_learning_rate", c.final_learning_rate,
                   "0 or more");
  require_training(c.warmup_steps >= 0, "warmup_steps", static_cast<double>(c.warmup_steps),
                   "0 or more");
  require_training(c.weight_decay >= 0, "weight_decay", c.weight_decay, "0 or more");
  require_training(c.clip_norm >= 0, "clip_norm", c.clip_norm, "0 (off) or more");
  require_training(c.label_smoothing >= 0 && c.label_smoothing < 1, "label_smoothing",
                   c.label_smoothing, "0 up to 1");
  require_training(c.distillation >= 0 && c.distillation <= 1, "distillation", c.distillation,
                   "0 to 1");
  require_training(c.temperature > 0 && c.temperature <= 1000, "temperature", c.temperature,
                   "more than 0, at most 1000");
  require_training(c.ema_decay >= 0 && c.ema_decay < 1, "ema_decay", c.ema_decay,
                   "0 (off) up to 1");
  require_training(c.validation >= 0, "validation", static_cast<double>(c.validation), "0 or more");
  require_training(c.max_steps >= 0, "max_steps", static_cast<double>(c.max_steps),
                   "0 (off) or more");
  require_training(c.checkpoint_steps >= 1, "checkpoint_steps",
                   static_cast<double>(c.checkpoint_steps), "at least 1");
}

Precision precision_of(const TrainConfig& config) {
  return precision_named("TrainConfig", config.precision);
}

std::string to_json(const TrainConfig& config) { return fields_to_json(config).dump(2); }

TrainConfig train_config_from_json(const std::string& text, const std::string& origin) {
  return config_from_json<TrainConfig>(text, origin);
}

TrainConfig named_train_config(const std::string& name) {
  TrainConfig config;
  config.model = named_config(name);
  config.optimizer = "muon";
  if (name == "vit-tiny") {
    config.epochs = 4;
    config.learning_rate = 2e-3;
    config.warmup_steps = 200;
    config.augmentation.shift = 1;
    return config;
  }
  config.epochs = 70;
  config.learning_rate = 1.5e-3;
  config.final_learning_rate = 1e-6;
  config.warmup_steps = 600;
  config.weight_decay = 0.1;
  config.ema_decay = 0.9995;
  config.augmentation.erase = 0.25;
  config.augmentation.mixup = 0.2;
  config.augmentation.cutmix = 0.2;
  return config;
}

}  // namespace espalier
