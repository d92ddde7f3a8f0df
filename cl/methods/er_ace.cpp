#include "cl/methods/er_ace.h"

#include "cl/methods/classes.h"
#include "engine/ops/cross_entropy.h"

namespace espalier {

Tensor AsymmetricReplay::loss(const Learner& learner, const BatchPart& part) const {
  const StepBatch& batch = part.batch;
  if (batch.groups.size() == 1) return Method::loss(learner, part);
  const bool replayed = part.group > 0;
  ClassSet classes = classes_of_first(learner.stream, replayed ? learner.task + 1 : 0);
  add_labels(batch.labels, batch.groups.front(), classes);
  // A memory of a blurry stream may hold classes of tasks to come.
  if (replayed) add_labels(batch.labels, batch.groups[part.group], classes);
  return cross_entropy(among(part.logits, classes), part.labels());
}

}  // namespace espalier
