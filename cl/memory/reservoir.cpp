#include "cl/memory/reservoir.h"

#include "engine/random.h"

namespace espalier {

std::optional<int64_t> Reservoir::slot_for(const Offer&, const ReplayMemory& memory) {
  const int64_t before = seen_++;
  if (memory.size() < memory.capacity()) return memory.size();
  Generator generator(seed_, static_cast<uint64_t>(before));
  const int64_t slot = generator.below(before + 1);
  if (slot < memory.capacity()) return slot;
  return std::nullopt;
}

}  // namespace espalier
