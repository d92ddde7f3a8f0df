// Removal of channels: the pruned model is a smaller dense one, and an optimiser's state moves
// along.
#pragma once

#include <memory>

#include "compress/pruning/select.h"
#include "nn/data/dataset.h"
#include "nn/trainer.h"

namespace espalier {

// What stays of each parameter that shrinks, for Optimizer::rebuild() and
// ParameterArena::rebuild().
IndexMap kept_indices(const NamedTensors& parameters, const Coupling& coupling,
                      const KeptChannels& kept);

// The configuration of a Vision Transformer with so many channels left of each group of its graph.
ViTConfig pruned_config(const ViTConfig& config, const Coupling& coupling, const Widths& widths);

// `coupling` is that of the model's graph, and each list of `kept` is ascending and not empty;
// argument errors say where it is not so. The model stays as it is.
SmallerModel prune(const VisionTransformer& model, const Coupling& coupling,
                   const KeptChannels& kept);

struct PruneOptions {
  SelectionOptions selection{};
  std::string importance = "l2";      // or "l1", "taylor", "random"
  std::string target = "parameters";  // or "flops", "latency": what the fraction is of
  uint64_t seed = 1;                  // of "random"
  // For "latency": the time that a model of a configuration takes, as a share of the whole's
  // (compress/latency.h measures it).
  std::function<double(const ViTConfig& config)> latency = nullptr;
  // The model whose weights what stays goes back to, before it is trained again (Frankle and
  // Carbin, 2018, 1803.03635, and Frankle et al., 2019, 1912.05671), or null. It has the same
  // configuration.
  const VisionTransformer* rewind = nullptr;
};
// An argument error in `function`'s name where the two are of different configurations.
void check_rewind(const char* function, const VisionTransformer& model,
                  const VisionTransformer& rewind);
// What the target is a share of, for a model that nothing was removed from: parameters, operations
// of one sample, or 1. As SelectionOptions::whole it lets a model be pruned in several rounds.
double whole_cost(const VisionTransformer& model, const PruneOptions& options);
// Prunes once, without training afterwards. `samples` are for "taylor", whose gradients they give.
SmallerModel prune_model(const VisionTransformer& model, const PruneOptions& options,
                         const ImageDataset& samples);

}  // namespace espalier
