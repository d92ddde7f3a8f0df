#include "cl/methods/adapter.h"

#include "nn/adapter.h"

namespace espalier {

ParameterPolicy AdapterReplay::adapt(Learner& learner, Generator& generator) {
  add_adapters(dynamic_cast<VisionTransformer&>(*learner.network), learner.config.adapter_width,
               generator);
  return adapters_and_head;
}

}  // namespace espalier
