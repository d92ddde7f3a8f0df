// Continual learning whose result stays small and fast: after each task the network is pruned a
// step further, rounded into a file, and that file is measured.
#pragma once

#include <cstdio>

#include "cl/continual_trainer.h"
#include "cl/form_choice.h"
#include "compress/pruning/select.h"
#include "compress/quantize_model.h"

namespace espalier {

// When a part of compression is done.
enum class CompressWhen { each_task, at_the_end };

struct HardwareOptions {
  // The artefact is written in `dtype` (cl/artefact.h) where this is on, else in fp32. Training
  // goes on in fp32 either way. At the end: the artefacts of earlier tasks are in fp32.
  bool quantise = true;
  std::string dtype = "int8";
  // "speed", "size", "accuracy" or "balanced": then `dtype` is what choose_form()
  // (cl/form_choice.h) says, of files in all of artefact_dtypes(), each time that an artefact is
  // rounded. Empty: the dtype above. Files are the same in every run, but choices hang on times
  // that were measured.
  std::string target{};
  Budget budget{};  // of a choice; its seconds are of the first batch size of `benchmark`
  CompressWhen quantise_when = CompressWhen::each_task;
  QuantizeOptions rounding{};        // of "int8"
  int64_t calibration_images = 512;  // at most, where ranges or gradients are wanted

  // Channels go for good until `sparsity` at least of the parameters that the network began with
  // are gone: after task i of T the share sparsity * (1 - (1 - i / T)^3) (cubic_sparsity() of
  // compress/pruning/select.h), most of it early, so that later tasks are learned by what is left;
  // or all of it after the last task.
  bool prune = true;
  double sparsity = 0.5;                   // above 0, below 1
  std::string sparsity_of = "parameters";  // or "flops", of one image
  CompressWhen prune_when = CompressWhen::each_task;
  std::string importance = "l2";            // or "l1", "taylor", "random"
  WidthSteps width_steps = kernel_steps();  // in between, kernels run no faster
  // Epochs over the replay memory after each pruning (cl/recovery.h), the only images of earlier
  // tasks that are left. 0 where there is no memory of images.
  int64_t recover_epochs = 3;

  // Nothing is pruned or rounded, but what else belongs to it is done when it would be: recovery
  // too. Such a run is what cl/attribution.h takes, so that what differs is compression's.
  bool control = false;

  // Every artefact is measured, or the last alone.
  bool track = true;
  BenchmarkOptions benchmark{};
};

// Throws an argument error that names the first option out of range.
void validate(const HardwareOptions& options);

// One stream, in one run folder. Beside what a ContinualTrainer keeps there, which this one drives:
// `artefacts/task-<i>.safetensors` after each task i from 1, and
// `artefacts/uncompressed.safetensors`, the network as it began, that bytes and speed are held
// against in the same rounds.
//
// The artefact answers by the network's head, whatever else a method may classify by; accuracy is
// that of the file, loaded again. Where images come with their task (Stream::task_incremental),
// its classes alone are compared.
//
// Old images are gone: the ranges of int8 and the gradients of "taylor" come from images in the
// replay memory or, where the method keeps none, from the training images of the last task alone,
// whose ranges may be too narrow for earlier ones. On the same images, which the network has seen,
// the accuracy of forms is held against each other where a target chooses.
//
// A run that was killed and resumed writes artefacts with the same bits as one that was not.
class HardwareOptimizedTrainer {
 public:
  // A new run, of the configuration's network unless one is given. It learns on `device`; artefacts
  // are made and measured on the CPU. Argument errors: those of
  // ContinualTrainer and of validate(); a method whose network, once it has learned, an artefact
  // does not hold (why_no_artefact() of cl/learn_config.h); a network that is no Vision
  // Transformer; recovery without a memory of images; a sparsity that the network is too small for.
  HardwareOptimizedTrainer(const LearnConfig& config, Stream stream, std::string run_dir,
                           const HardwareOptions& options = {},
                           std::unique_ptr<VisionTransformer> network = nullptr,
                           Device device = {});
  ~HardwareOptimizedTrainer();

  // Takes up the run in the folder. A file error where there is none, or one of other options.
  void resume();

  // Learns one task, compresses what it has become, and measures that; what was killed in between
  // is compressed now. False where an interrupt ended the learning before. An argument error at the
  // end of the stream.
  bool train_task(const LearnEvents& events = {});
  // All tasks that are left; false where interrupted.
  bool run(const LearnEvents& events = {});
  bool finished() const;

  const EfficiencySummary& get_efficiency_summary() const;
  // efficiency_report() of that.
  void print_efficiency_report(std::FILE* out) const;

  const ContinualTrainer& trainer() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace espalier
