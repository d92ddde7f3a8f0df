// Losses among some of the classes.
#pragma once

#include <vector>

#include "cl/batch.h"
#include "cl/stream/stream.h"

namespace espalier {

// By label: whether the class is in it.
using ClassSet = std::vector<bool>;

// The classes of the first `tasks` tasks of a stream.
ClassSet classes_of_first(const Stream& stream, int64_t tasks);
// Adds those that `rows` of labels s64 [N] name.
void add_labels(const Tensor& labels, const RowGroup& rows, ClassSet& classes);
// 1 for each class of the set and 0 for the others: [classes], as `like` in dtype and device.
Tensor indicator(const ClassSet& classes, const Tensor& like);

// Logits [N, classes] in which the other classes stand so low that a softmax gives them exactly 0
// and no gradient: cross-entropy among the set alone, for targets that are in it.
Tensor among(const Tensor& logits, const ClassSet& classes);

}  // namespace espalier
