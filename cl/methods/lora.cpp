#include "cl/methods/lora.h"

#include "nn/lora.h"

namespace espalier {

ParameterPolicy Lora::adapt(Learner& learner, Generator& generator) {
  const int64_t rank = learner.config.lora_rank;
  add_lora(dynamic_cast<VisionTransformer&>(*learner.network),
           {.rank = rank, .alpha = 2.0 * static_cast<double>(rank)}, generator);
  return lora_and_head;
}

}  // namespace espalier
