#include "cl/memory/class_balanced.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/random.h"

namespace espalier {

ClassBalanced::ClassBalanced(const RetentionOptions& options)
    : CountingSelection(options),
      seen_of_(Tensor::zeros({options.classes}, DType::s64)),
      stored_(Tensor::zeros({options.classes}, DType::s64)),
      full_(Tensor::zeros({options.classes}, DType::s64)) {}

std::optional<int64_t> ClassBalanced::slot_for(const Offer& candidate, const ReplayMemory& memory) {
  const int64_t classes = stored_.numel(), label = candidate.label;
  if (label < 0 || label >= classes)
    argument_error("ClassBalanced", "label", std::to_string(label),
                   "less than the " + std::to_string(classes) + " classes of the stream", "");
  int64_t *seen_of = seen_of_.data<int64_t>(), *stored = stored_.data<int64_t>(),
          *full = full_.data<int64_t>();
  if (loaded_) {
    stored_.fill_(0);
    for (int64_t i = 0; i < memory.size(); ++i) ++stored[memory.label(i)];
    loaded_ = false;
  }
  Generator generator(seed_, static_cast<uint64_t>(seen_++));
  ++seen_of[label];
  if (memory.size() < memory.capacity()) {
    ++stored[label];
    return memory.size();
  }
  const int64_t largest = *std::max_element(stored, stored + classes);
  for (int64_t c = 0; c < classes; ++c) full[c] |= stored[c] == largest;
  if (full[label] && generator.below(seen_of[label]) >= stored[label]) return std::nullopt;
  const auto may_go = [&](int64_t other) {
    return full[label] ? other == label : stored[other] == largest;
  };
  int64_t slot;
  do slot = generator.below(memory.size());
  while (!may_go(memory.label(slot)));
  --stored[memory.label(slot)];
  ++stored[label];
  return slot;
}

NamedTensors ClassBalanced::state_dict() const {
  NamedTensors state = CountingSelection::state_dict();
  state.emplace_back("seen_of", seen_of_);
  state.emplace_back("full", full_);
  return state;
}

void ClassBalanced::load_state_dict(const NamedTensors& state) {
  load({{"seen_of", seen_of_}, {"full", full_}}, state);
  for (const double count : seen_of_.to_vector())
    if (count < 0)
      argument_error("ClassBalanced", "seen_of", std::to_string(count), "at least 0", "");
  loaded_ = true;
}

}  // namespace espalier
