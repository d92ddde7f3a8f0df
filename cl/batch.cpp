#include "cl/batch.h"

#include "engine/ops/view.h"

namespace espalier {

Tensor BatchPart::inputs() const { return slice(batch.inputs, 0, begin, end); }
Tensor BatchPart::labels() const { return slice(batch.labels, 0, begin, end); }
Tensor BatchPart::kept() const { return slice(batch.kept, 0, begin, end); }

std::vector<int64_t> BatchPart::texts() const {
  return {batch.texts.begin() + begin, batch.texts.begin() + end};
}

}  // namespace espalier
