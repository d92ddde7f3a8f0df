// Quantisation-aware training on the kernels that are deployed.
//
// The forward pass runs the integer kernels of nn/int8_graph.h, so the logits are those of the int8
// model that save() writes, bit for bit. Behind each value stands the fp32 operation that it
// rounds, for the gradient alone: the straight-through estimator with clipping (Jacob et al., 2018,
// section 3), and, where scales learn, the gradient of LSQ (Esser et al., 1902.08153, equation 3).
#pragma once

#include "compress/int8_scales.h"
#include "nn/int8_graph.h"
#include "nn/trainable.h"

namespace espalier {

struct QatOptions {
  // Scales of activations learn with the weights; otherwise they stay as calibrated. Scales of
  // weights follow the largest weight of their channel either way.
  bool learn_scales = false;
  std::map<std::string, std::string> notes{};  // for the metadata of what save() writes
};

class QatModel : public Trainable {
 public:
  // `model` is put into evaluation mode: dropout and drop path are off while it learns to round.
  // Argument errors: a model without encoder blocks, scales of another model.
  QatModel(std::unique_ptr<VisionTransformer> model, Int8Scales scales, QatOptions options = {});
  ~QatModel() override;

  // With the scales that were calibrated, to which its checkpoints belong.
  std::string kind() const override;

  // The model's, and "quantizer.<name>" f32, of 1 at first: what the scale of that name is
  // multiplied by, where scales learn.
  NamedTensors named_parameters() const override;
  // Rounds weights and scales anew, on the CPU. Where the model lies on a GPU, what it makes is
  // copied there, into memory that stays: a step that was recorded reads it.
  void prepare() override;
  // Not where scales learn: kernels take them as plain numbers.
  bool steps_alike() const override { return factors_.empty(); }
  // Argument errors: before prepare(), which has to follow to().
  Tensor forward(const Tensor& images) const override;
  Evaluation evaluate(const ImageDataset& data) const override;
  void save(const std::string& path,
            const std::map<std::string, std::string>& notes) const override;

  // The graph in whole numbers, of the last prepare(), on the CPU.
  Graph deployed() const;

 private:
  struct Run;
  Tensor call(Run& run, size_t n, const NodeCall& call) const;
  Tensor surrogate(size_t n, const NodeCall& call, const Tensor& codes) const;
  Tensor absorbed(const NodeCall& call, int done_by, const Tensor& codes) const;
  Tensor on_rounded(const NodeCall& call) const;
  Tensor rounded(const Tensor& y, const std::string& prefix, const Tensor& codes) const;
  void check_prepared() const;
  Graph graph_here() const;
  NamedTensors weight_scales(const Graph& here) const;

  const Graph graph_;
  const Int8Scales calibrated_;
  const std::map<std::string, std::string> notes_;
  NamedTensors factors_;  // of the calibrated scales; empty where they don't learn
  // Of the last prepare(), on the CPU.
  Int8Scales scales_;
  NamedTensors parameters_;
  // Where the model lies: parameters_, weight scales by layer, the calibrated scales.
  NamedTensors operands_, weight_scales_, steps_;
  std::unique_ptr<const Int8Calls> calls_;
};

}  // namespace espalier
