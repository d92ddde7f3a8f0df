#include "cl/methods/der.h"

#include "engine/ops/binary.h"
#include "engine/ops/reduce.h"
#include "engine/ops/unary.h"

namespace espalier {

double DarkReplay::weight(const StepBatch&, size_t group) const { return group == 0 ? 1 : alpha_; }

Tensor DarkReplay::loss(const Learner& learner, const BatchPart& part) const {
  if (part.group == 0) return Method::loss(learner, part);
  return mean(square(sub(part.logits, part.kept())));
}

}  // namespace espalier
