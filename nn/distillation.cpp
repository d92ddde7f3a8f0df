#include "nn/distillation.h"

#include <cmath>

#include "engine/error.h"
#include "engine/ops/binary.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/softmax.h"

namespace espalier {
namespace {

void check_temperature(const char* function, double temperature) {
  if (!(temperature > 0) || !std::isfinite(temperature))
    argument_error(function, "temperature", std::to_string(temperature), "more than 0", "");
}

}  // namespace

Tensor soft_targets(const Tensor& logits, double temperature) {
  check_temperature("soft_targets", temperature);
  return softmax(mul(logits.detach(), 1 / temperature), -1);
}

Tensor distillation_loss(const Tensor& student, const Tensor& targets, double temperature) {
  check_temperature("distillation_loss", temperature);
  return mul(cross_entropy(mul(student, 1 / temperature), targets), temperature * temperature);
}

}  // namespace espalier
