// Adapters of a Vision Transformer (Houlsby et al., 2019, 1902.00751, section 2): its weights stay
// as they are, and what each branch of the encoder gives passes through a bottleneck that learns.
#pragma once

#include "nn/optim/parameter_arena.h"
#include "nn/vit.h"

namespace espalier {

// x + gelu(x D^T + d) U^T + u of tokens [B, T, width]. D, "down.weight" [bottleneck, width], is
// normal with deviation 1 / sqrt(width); U, "up.weight" [width, bottleneck], d and u are zero: it
// begins as the identity, to the bit.
class Adapter : public Module {
 public:
  // An argument error where the bottleneck is below 1.
  Adapter(int64_t width, int64_t bottleneck, Generator& generator);
  Tensor forward(const Tensor& x) const override;

 private:
  const Linear &down_, &up_;
};

// Behind the attention and behind the MLP of every block, each before it is added to what it read.
// Argument errors: a bottleneck below 1, a model that has adapters already.
void add_adapters(VisionTransformer& model, int64_t bottleneck, Generator& generator);

// For the optimiser of such a model: adapters, layer norms (as in the paper) and the head learn,
// all else is frozen.
ParameterOptions adapters_and_head(const std::string& name, const Tensor& parameter);

}  // namespace espalier
