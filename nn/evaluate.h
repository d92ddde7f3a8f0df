// How good a model is on a data set.
#pragma once

#include <vector>

#include "nn/data/dataset.h"
#include "nn/predictor.h"
#include "nn/vit.h"

namespace espalier {

struct Evaluation {
  double loss = 0;  // mean cross-entropy, without smoothing
  int64_t correct = 0, samples = 0;
  std::vector<int64_t> confusion;  // [classes x classes], row = true class, column = prediction
  double seconds = 0;
  double accuracy() const {
    return samples ? static_cast<double>(correct) / static_cast<double>(samples) : 0;
  }
  // Half the width of the accuracy's 95 % interval (Wald's); 0 without samples.
  double half_interval() const;
};

// u8 images [B, H, W, C] as the f32 images that a model of this input expects. An argument error
// where they are of another size.
Tensor normalized(const Tensor& images, const ImageInput& input);
Tensor normalized(const Tensor& images, const ViTConfig& config);

// The logits f32 [N, classes] of images u8 [N, H, W, C], some hundreds at a time, by a predictor of
// a model that takes `input`.
Tensor logits_of(Predictor& predictor, const ImageInput& input, int64_t classes,
                 const Tensor& images);
// Those of every image of `dataset` by a predictor of a model of `config`.
// Throws an argument error when the images or classes do not fit.
Tensor logits_of(Predictor& predictor, const ViTConfig& config, const ImageDataset& dataset);
// The same by the plan of `graph`, on all threads.
Tensor logits_of(const Graph& graph, const ViTConfig& config, const ImageDataset& dataset,
                 const PlanOptions& options = {});

// How good logits [N, classes] are for labels s64 [N]; `seconds` is left 0.
Evaluation score(const Tensor& logits, const Tensor& labels);

// Both, timed: runs a predictor of a model of `config` over `dataset`. Throws an argument error
// when the images or classes do not fit the model.
Evaluation evaluate(Predictor& predictor, const ViTConfig& config, const ImageDataset& dataset);
// The same by the plan of `graph`, on all threads.
Evaluation evaluate(const Graph& graph, const ViTConfig& config, const ImageDataset& dataset,
                    const PlanOptions& options = {});
// On the device where the model lies.
Evaluation evaluate(const VisionTransformer& model, const ImageDataset& dataset);

}  // namespace espalier
