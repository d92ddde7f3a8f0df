#include "nn/trainable.h"

#include "engine/error.h"
#include "nn/model_file.h"
#include "nn/named_tensors.h"

namespace espalier {

Trainable::Trainable(std::unique_ptr<VisionTransformer> model) : model_(std::move(model)) {
  if (!model_) argument_error("Trainable", "model", "none", "a Vision Transformer", "");
}
Trainable::~Trainable() = default;

NamedTensors Trainable::named_parameters() const { return model_->named_parameters(); }
void Trainable::to(Device device) {
  move_named(named_parameters(), device);
  model_->to(device);
}
void Trainable::eval() { model_->eval(); }
Tensor Trainable::forward(const Tensor& images) const { return (*model_)(images); }

Evaluation Trainable::evaluate(const ImageDataset& data) const {
  return espalier::evaluate(*model_, data);
}

void Trainable::save(const std::string& path,
                     const std::map<std::string, std::string>& notes) const {
  save_model(path, *model_, notes);
}

}  // namespace espalier
