// What one compression is asked to do. It is saved in the run folder of those that train.
#pragma once

#include "compress/pruning/sparse.h"
#include "compress/quantize_model.h"
#include "compress/weight_only.h"
#include "nn/data/dataset.h"
#include "nn/train_config.h"

namespace espalier {

struct CompressConfig {
  std::string model, output;  // paths: the fp32 model, and the file to write
  // Of all up to the head; or "f16", "bf16", "f32", and in linear layers "w8", "w4": of weights;
  // or "dynamic": of the products of linear layers.
  std::string dtype = "int8";
  // Training images that ranges, and gradients of "taylor", are of: at most so many, and none of
  // those that are held out.
  int64_t calibration_images = 512;
  uint64_t seed = 1;    // of their choice, of "random" scores and of trainings
  bool report = false;  // keep and compare the forms in between; the output may then be empty

  // What a choice by measurement is for (compress/auto_optimizer/): "speed", "size", "accuracy" or
  // "balanced". Empty: the fields below say what to make.
  std::string target{};
  std::string hardware_profile{};  // path of another machine's, to choose by; empty: this one's
  std::vector<double> levels{0.85, 0.93, 0.97};  // pruned, beside those of rules of thumb
  int64_t points = 12;                           // of what the search finds, made and measured
  // What the result may cost at most and must be worth; 0: no matter.
  double max_megabytes = 0, max_milliseconds = 0, min_accuracy = 0;  // a batch; percent

  // Rounding (compress/quantize_model.h).
  std::string observer = "min_max";
  bool equalize = false;
  double equalize_alpha = 0.5;
  bool bias_correction = false;
  std::vector<std::string>
      keep{};                      // parts of the model that stay in floats, as KeptLayers has them
  std::string kept_dtype = "f32";  // of their linear layers' weights; or "f16", "bf16"
  // Of "w8" and "w4" (compress/weight_only.h). 0: all of a channel in the one, 32 in the other.
  int64_t group_size = 0;

  // Pruning (compress/pruning/), before anything is rounded.
  double sparsity = 0;                     // share that is removed; 0: none
  std::string sparsity_of = "parameters";  // or "flops", "latency"
  int64_t latency_batch = 1;               // the batch that latencies are measured on
  std::string importance = "l2";           // or "l1", "taylor", "random"
  std::string ranking = "global";          // or "layer": the same share of each group
  std::vector<std::string> dimensions{};   // names of group kinds; none: all
  int64_t width_step = 0;                  // widths stay multiples of it; 0: kernel_steps()
  // What that came to on the machine that began, one for each of group_kinds: resolve() fills it.
  std::vector<int64_t> width_steps{};
  std::string schedule = "one-shot";  // or "cubic": in prune_steps steps, while recovery trains
  int64_t prune_steps = 5;
  double prune_share = 0.5;  // of recovery, by whose end the last step is done
  // Zeros in place of single weights (compress/pruning/sparse.h); nothing here runs faster by them.
  bool unstructured = false;  // `sparsity` is of weights, the smallest ones
  std::string pattern{};      // or "2:4", which says itself how many
  // What is left goes back to the weights of this checkpoint, or to "init", those that a training
  // with `seed` begins with, and learns again.
  std::string rewind{};

  // Training: of the pruned model first, then of the rounded one (compress/qat.h). The fp32 model
  // teaches both.
  int64_t recover_epochs = 0, qat_epochs = 0;  // 0: none
  double recover_learning_rate = 5e-4, qat_learning_rate = 1e-4;
  bool learn_scales = false;
  double distillation = 0.5;  // share of the loss; the labels make the rest
  double temperature = 2;
  std::string precision = "bf16";  // of recovery's products, and of those behind the rounding
  int64_t max_steps = 0;           // stop each training after so many; 0 runs all epochs
  int64_t validation = 5000;  // images held out of the training set to choose the best epoch by
};

// Throws an argument error that names the first field out of range, or two that make no sense
// together.
void validate(const CompressConfig& config);

// Writes down what depends on this machine, so that another one goes on with the same.
void resolve(CompressConfig& config);

std::string to_json(const CompressConfig& config);
// Fields that the text leaves out keep their defaults. Errors are file errors that name `origin`.
CompressConfig compress_config_from_json(const std::string& text, const std::string& origin);

// "50 % of parameters pruned by l2", and what else is to be said of it; empty where nothing is.
std::string pruning_text(const CompressConfig& config);

// What it asks for less a part: the whole model rounded, and the pruned one in fp32.
CompressConfig without_pruning(CompressConfig config);
CompressConfig without_rounding(CompressConfig config);

// Of all training images, those that ranges and gradients are of. An argument error where
// `validation` leaves none.
ImageDataset calibration_of(const CompressConfig& config, const ImageDataset& train);

// The same in the terms of each stage, for a valid configuration.
DType stored_in(const CompressConfig& config);  // of weights that are not int8
std::optional<WeightOnlyOptions> weight_codes_of(const CompressConfig& config);  // w8, w4, dynamic
QuantizeOptions quantization_of(const CompressConfig& config);
PruneOptions pruning_of(const CompressConfig& config);
bool prunes(const CompressConfig& config);
bool leaves_zeros(const CompressConfig& config);  // in place of smaller matrices
SparseOptions zeros_of(const CompressConfig& config);
GradualOptions schedule_of(const CompressConfig& config);
TrainConfig recover_config(const CompressConfig& config, const ViTConfig& model);
TrainConfig qat_config(const CompressConfig& config, const ViTConfig& model);

}  // namespace espalier
