#include "nn/staged_module.h"

#include "engine/autograd.h"
#include "engine/device_scope.h"

namespace espalier {

Shape shape_entering(StagedModule& network, int64_t stage) {
  const ImageInput input = network.input();
  const EvaluationScope without_dropout(network);
  const NoGradGuard off_the_tape;
  const DeviceScope there(network.device());
  const Tensor one = Tensor::zeros({1, input.height, input.width, input.channels});
  const Shape made = network.run_stages(one, 0, stage).shape();
  return Shape(made.begin() + 1, made.end());
}

}  // namespace espalier
