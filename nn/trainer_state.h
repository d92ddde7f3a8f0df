// What a Trainer is made of. Private to it: trainer.cpp steps, trainer_checkpoint.cpp saves and
// resumes.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/error.h"
#include "nn/data/batch_feed.h"
#include "nn/optim/ema.h"
#include "nn/optim/loss_scale.h"
#include "nn/optim/schedule.h"
#include "nn/predictor.h"
#include "nn/trainer.h"
#include "nn/whole_step.h"

namespace espalier {

inline std::string last_path(const std::string& run_dir) {
  return run_dir + "/checkpoints/last.safetensors";
}

struct Trainer::State {
  const TrainConfig config;
  const ImageDataset train, validation;
  const std::string run_dir;
  std::unique_ptr<Trainable> trained, averaged;
  std::vector<Predictor> teachers;
  uint32_t teachers_mark = 0;  // of their weights: a checkpoint tells by it whom it learned from
  const Shrinking shrinking;
  const Device device;
  std::unique_ptr<Optimizer> optimizer;
  std::optional<WeightAverage> average;
  BatchFeed feed;
  WholeStep whole_step;
  LrSchedule schedule;

  int64_t step = 0;
  std::optional<LossScale> loss_scale;  // of f16
  double best_accuracy = -1;
  double epoch_loss = 0;     // summed over the steps of the present epoch
  double epoch_seconds = 0;  // of the present epoch, over all parts of the run

  State(const TrainConfig& config, ImageDataset train, ImageDataset validation, std::string run_dir,
        const TrainerParts& parts);

  int64_t epoch_steps() const {
    if (feed.batches() > 0) return feed.batches();
    argument_error("Trainer", "batch_size", std::to_string(config.batch_size),
                   "at most the " + std::to_string(train.size()) + " training images", "");
  }
  int64_t total_steps() const {
    const int64_t all = epoch_steps() * config.epochs;
    return config.max_steps ? std::min(all, config.max_steps) : all;
  }

  // The step that the model shrinks after for the i-th time.
  int64_t shrinking_step(int64_t i) const { return i * shrinking_span() / shrinking.times; }
  int64_t shrinking_span() const {
    return static_cast<int64_t>(shrinking.share * static_cast<double>(total_steps()));
  }
  void check_shrinking() const;
  void start_optimizer();
  void take(const VisionTransformer& model);
  bool shrink_if_due();

  Tensor taught(const Tensor& images);
  bool take_note(const StepResult& result);
  Tensor chunk_loss(const RecycledVector<Tensor>& batch, int64_t begin, int64_t end) const;
  StepReport train_batch(const FedBatch& batch);
  EpochReport finish_epoch(int64_t epoch);
  void save_checkpoint() const;
  [[noreturn]] void stop_on(const std::string& problem) const;
};

}  // namespace espalier
