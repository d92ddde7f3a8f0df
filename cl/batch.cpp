#include "cl/batch.h"

#include "engine/ops/view.h"

namespace espalier {
namespace {

Tensor rows_beside(const BatchPart& part, const Tensor& all) {
  return slice(all, 0, part.begin, part.end).to(part.logits.device());
}

}  // namespace

Tensor BatchPart::inputs() const { return rows_beside(*this, batch.inputs); }
Tensor BatchPart::labels() const { return rows_beside(*this, batch.labels); }
Tensor BatchPart::kept() const { return rows_beside(*this, batch.kept); }

std::vector<int64_t> BatchPart::texts() const {
  return {batch.texts.begin() + begin, batch.texts.begin() + end};
}

}  // namespace espalier
