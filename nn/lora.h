// Low-rank adaptation of a Vision Transformer (Hu et al., 2021, 2106.09685): its weights stay as
// they are, and every linear layer of the encoder learns a product of two thin matrices beside its
// own.
#pragma once

#include "nn/optim/parameter_arena.h"
#include "nn/vit.h"

namespace espalier {

struct LoraOptions {
  int64_t rank = 4;
  double alpha = 8;  // the product counts alpha / rank (section 4.1)
};

// To every linear layer of the blocks. Argument errors: a rank below 1, a model adapted already.
void add_lora(VisionTransformer& model, const LoraOptions& options, Generator& generator);

// For the optimiser of an adapted model: the thin matrices and the head learn, all else is frozen.
ParameterOptions lora_and_head(const std::string& name, const Tensor& parameter);

// The model without its thin matrices, which went into the weights: the same logits but for
// rounding, and as fast as before.
std::unique_ptr<VisionTransformer> merge_lora(VisionTransformer& model);

}  // namespace espalier
