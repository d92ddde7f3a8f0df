#include "cl/methods/classes.h"

#include "engine/ops/binary.h"
#include "engine/ops/cast.h"

namespace espalier {

ClassSet classes_of_first(const Stream& stream, int64_t tasks) {
  ClassSet classes(static_cast<size_t>(stream.classes()));
  for (int64_t task = 0; task < tasks; ++task)
    for (int64_t c : stream.tasks[static_cast<size_t>(task)].classes)
      classes[static_cast<size_t>(c)] = true;
  return classes;
}

void add_labels(const Tensor& labels, const RowGroup& rows, ClassSet& classes) {
  for (int64_t i = rows.begin; i < rows.end; ++i)
    classes[static_cast<size_t>(labels.data<int64_t>()[i])] = true;
}

Tensor indicator(const ClassSet& classes, const Tensor& like) {
  const Tensor here = Tensor::of(std::vector<float>(classes.begin(), classes.end()),
                                 {static_cast<int64_t>(classes.size())});
  return to(here, like.dtype()).to(like.device());
}

Tensor among(const Tensor& logits, const ClassSet& classes) {
  constexpr double low = 1e9;
  return add(logits, mul(sub(indicator(classes, logits), 1), low));
}

}  // namespace espalier
