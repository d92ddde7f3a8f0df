#include "cl/memory/reservoir.h"

#include "engine/random.h"
#include "nn/named_tensors.h"

namespace espalier {

std::optional<int64_t> Reservoir::slot_for(const Offer&, const ReplayMemory& memory) {
  const int64_t before = seen_++;
  if (memory.size() < memory.capacity()) return memory.size();
  Generator generator(seed_, static_cast<uint64_t>(before));
  const int64_t slot = generator.below(before + 1);
  if (slot < memory.capacity()) return slot;
  return std::nullopt;
}

NamedTensors Reservoir::state_dict() const { return {{"seen", Tensor::of<int64_t>({seen_}, {1})}}; }

void Reservoir::load_state_dict(const NamedTensors& state) {
  const Tensor seen = Tensor::zeros({1}, DType::s64);
  copy_named("Reservoir", {{"seen", seen}}, state);
  seen_ = seen.data<int64_t>()[0];
}

}  // namespace espalier
