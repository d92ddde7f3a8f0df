// Experience replay through adapters (nn/adapter.h; Houlsby et al., 2019, 1902.00751): the first
// task trains the whole network, every later one a bottleneck behind each branch of the encoder,
// the layer norms and the head. For Vision Transformers; `adapter_width` of the configuration is
// the bottleneck's.
#pragma once

#include "cl/methods/adaptation.h"

namespace espalier {

class AdapterReplay : public Adaptation {
 public:
  using Adaptation::Adaptation;

 protected:
  ParameterPolicy adapt(Learner& learner, Generator& generator) override;
};

}  // namespace espalier
