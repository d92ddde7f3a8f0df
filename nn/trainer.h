// One trainer: it steps, validates, averages, saves and resumes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "nn/data/dataset.h"
#include "nn/evaluate.h"
#include "nn/optim/parameter_arena.h"
#include "nn/train_config.h"
#include "nn/trainable.h"

namespace espalier {

// What one optimiser step did.
struct StepReport {
  int64_t step, steps;  // steps done, steps in the whole run
  int64_t epoch;        // of this step, from 0
  double loss, learning_rate;
  double grad_norm;  // before clipping
  double images_per_second;
  // In f16 alone: what the loss was multiplied by. A step of which a gradient was not finite then
  // is skipped; it changes nothing but the scale.
  std::optional<double> loss_scale = std::nullopt;
  bool skipped = false;
};

// What one epoch came to.
struct EpochReport {
  int64_t epoch, step;
  double train_loss;  // mean over the epoch's steps
  // Of the averaged weights where there are any; none where no images were held out.
  std::optional<Evaluation> validation;
  bool best;  // the best validation accuracy so far; any epoch where nothing validates
  double seconds;
  int64_t skipped_steps = 0;  // of the run so far: those that f16 cost
};

// Called on the trainer's thread; `interrupted` is asked after every step.
struct TrainerEvents {
  std::function<void(const StepReport&)> step = nullptr;
  std::function<void(const EpochReport&)> epoch = nullptr;
  std::function<bool()> interrupted = nullptr;
};

// What is left of a model, and what that is of each parameter.
struct SmallerModel {
  std::unique_ptr<VisionTransformer> model;
  IndexMap kept;  // as ParameterArena::rebuild() takes it
};

// A run whose model gives way to smaller ones: gradual pruning. Moments, averages, schedule and
// data go on; the best checkpoint is one of the last model.
struct Shrinking {
  int64_t times = 0;   // 0: never
  double share = 0.5;  // of the run's steps, at whose ends it shrinks: after i / times of them
  // The i-th, from 1, of what the weights are by then, in evaluation mode, on the CPU.
  std::function<SmallerModel(const VisionTransformer& model, int64_t i)> next = nullptr;
  // What is trained of it; a plain Trainable unless given.
  std::function<std::unique_ptr<Trainable>(std::unique_ptr<VisionTransformer>)> form = nullptr;
};

// The model that a run begins with unless it is given another: a function of its shape and seed.
std::unique_ptr<VisionTransformer> initial_model(const ViTConfig& config, uint64_t seed);

// What a run may be given in place of the usual.
struct TrainerParts {
  // Makes what is trained; otherwise a new model of the configuration, from its seed.
  TrainableFactory form = nullptr;
  // Trained models on the same images and classes, for `distillation` of the configuration: the
  // mean of their soft targets teaches (1503.02531, section 3). Plans of the device run them, and
  // multiply in the configuration's precision.
  std::vector<Graph> teachers{};
  Shrinking shrinking{};
  // Where the model and the optimiser's state lie and run. Batches are made on the CPU. A
  // checkpoint of either device can be taken up on the other, unless it is of a run in f16.
  Device device{};
  // On a GPU a step is launched as one graph, recorded at the second, where all are alike
  // (nn/trainable.h). It changes no bit of the run; without it each kernel is launched by itself,
  // as a profiler may want it.
  bool launch_graph = true;
};

// A run in a folder, which is made if need be: `checkpoints/last.safetensors` holds all state,
// `checkpoints/best.safetensors` the model that validated best, or without validation images the
// last epoch's. A run that was killed and resumed ends with the bits of one that was not, since
// every random number is a function of the seed and the step.
class Trainer {
 public:
  // A new run. The data sets are copied handles; `validation` may be empty. An argument error where
  // the configuration asks for a teacher and there is none, or the other way round, where it asks
  // for f16 and the device is the CPU, and where the run is too short to shrink so often and train
  // on.
  Trainer(const TrainConfig& config, ImageDataset train, ImageDataset validation,
          std::string run_dir, TrainerParts parts = {});
  ~Trainer();

  // Takes up the run in `run_dir` from its last checkpoint. Throws a file error when there is none
  // or when it belongs to another configuration, or had other teachers.
  void resume();

  // Trains to the end, or until `interrupted` says stop: then saves and returns false. Throws a
  // numeric error, naming the step and the last good checkpoint, when the loss is no longer finite,
  // or a gradient: in f16, one that no loss scale makes finite.
  bool run(const TrainerEvents& events = {});

  int64_t step() const noexcept;
  const Trainable& trained() const noexcept;  // with the weights of the last step
  int64_t graph_launches() const noexcept;    // steps so far that one launch gave
  std::string last_checkpoint() const;
  std::string best_checkpoint() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The configuration of the run in `run_dir`, from its last checkpoint.
TrainConfig load_run_config(const std::string& run_dir);

}  // namespace espalier
