// Experience replay through low-rank adapters (nn/lora.h; Hu et al., 2021, 2106.09685): the first
// task trains the whole network, every later one the adapters of the encoder and the head. For
// Vision Transformers; `lora_rank` of the configuration is the adapters' rank.
#pragma once

#include "cl/methods/adaptation.h"

namespace espalier {

class Lora : public Adaptation {
 public:
  using Adaptation::Adaptation;

 protected:
  ParameterPolicy adapt(Learner& learner, Generator& generator) override;
};

}  // namespace espalier
