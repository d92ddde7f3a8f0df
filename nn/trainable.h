// What a Trainer trains: a Vision Transformer as it is, or in a form that a subclass gives it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "nn/evaluate.h"

namespace espalier {

class Trainable {
 public:
  // An argument error without a model.
  explicit Trainable(std::unique_ptr<VisionTransformer> model);
  virtual ~Trainable();
  Trainable(const Trainable&) = delete;
  Trainable& operator=(const Trainable&) = delete;

  const VisionTransformer& model() const noexcept { return *model_; }

  // What it is, for a checkpoint, which another kind of training cannot take up.
  virtual std::string kind() const { return "plain"; }

  // All that learns.
  virtual NamedTensors named_parameters() const;
  // Called before the first forward pass, and whenever the parameters have moved: after a step of
  // the optimiser, and with averaged ones.
  virtual void prepare() {}
  // Whether a GPU is given the same kernels, on the same memory, for one step as for another, so
  // that a step can be recorded.
  virtual bool steps_alike() const { return true; }
  // Moves all that learns, and the model. Before an optimiser gathers it, and before prepare().
  void to(Device device);
  // Without dropout from here on.
  void eval();
  // Logits [B, classes] of normalised images [B, H, W, C], on the tape. Threads call it at once on
  // pieces of a batch.
  virtual Tensor forward(const Tensor& images) const;

  // What is deployed, with the parameters of the last prepare(): how good it is, and its file,
  // written atomically.
  virtual Evaluation evaluate(const ImageDataset& data) const;
  virtual void save(const std::string& path, const std::map<std::string, std::string>& notes) const;

 protected:
  VisionTransformer& model() noexcept { return *model_; }

 private:
  std::unique_ptr<VisionTransformer> model_;
};

// Each call makes one more, equal to the last: a Trainer needs a second for the averaged weights.
using TrainableFactory = std::function<std::unique_ptr<Trainable>()>;

}  // namespace espalier
