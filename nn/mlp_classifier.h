// A multi-layer perceptron on pixels: linear layers with ReLU between them, the small network of
// the literature on continual learning.
#pragma once

#include <vector>

#include "engine/random.h"
#include "nn/layers.h"
#include "nn/staged_module.h"

namespace espalier {

struct MlpConfig {
  ImageInput input{};
  std::vector<int64_t> hidden = {256, 256};
  int64_t classes = 10;
};

// Throws an argument error that names the first field that makes no model.
void validate(const MlpConfig& config);

// Weights uniform as in Glorot and Bengio, 2010, equation 16; biases zero. A stage is a linear
// layer with its ReLU; the first takes images apart into rows.
class MlpClassifier : public StagedModule {
 public:
  MlpClassifier(const MlpConfig& config, Generator& generator);
  ImageInput input() const override { return config.input; }
  int64_t classes() const override { return config.classes; }
  int64_t stages() const override { return static_cast<int64_t>(layers_.size()); }
  int64_t stage_of(const std::string& parameter) const override;
  Tensor run_stages(const Tensor& x, int64_t begin, int64_t end) const override;
  const MlpConfig config;

 private:
  std::vector<const Linear*> layers_;
};

}  // namespace espalier
