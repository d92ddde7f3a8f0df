// A classifier whose forward pass is a row of stages: it can be entered and left between any two,
// which is how features are read and how a frozen beginning is run once and kept.
#pragma once

#include <string>

#include "nn/module.h"

namespace espalier {

// The images that a classifier expects: f32 [B, height, width, channels], of
// (pixel / 255 - mean) / deviation.
struct ImageInput {
  int64_t height = 28, width = 28, channels = 1;
  double mean = 0, deviation = 1;
  friend bool operator==(const ImageInput&, const ImageInput&) = default;
};

class StagedModule : public Module {
 public:
  virtual ImageInput input() const = 0;
  virtual int64_t classes() const = 0;

  // At least two: the last, a linear layer, is the classifier.
  virtual int64_t stages() const = 0;
  // The stage that the parameter of this name is in.
  virtual int64_t stage_of(const std::string& parameter) const = 0;
  // Stages [begin, end) of x: images for the first, what the stage before made for another.
  virtual Tensor run_stages(const Tensor& x, int64_t begin, int64_t end) const = 0;

  Tensor forward(const Tensor& images) const final { return run_stages(images, 0, stages()); }
  // What the classifier reads: [B, F].
  Tensor features(const Tensor& images) const { return run_stages(images, 0, stages() - 1); }
  // Logits [B, classes] of it.
  Tensor classify(const Tensor& features) const {
    return run_stages(features, stages() - 1, stages());
  }
};

// What enters a stage, of one image: [H, W, C] before the first, such as [T, D] later on. The
// network's mode is as before afterwards.
Shape shape_entering(StagedModule& network, int64_t stage);

}  // namespace espalier
