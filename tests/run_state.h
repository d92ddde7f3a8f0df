// What a run ends with.
#pragma once

#include "engine/io/safetensors.h"

namespace espalier::test {

// The tensors of a run's last checkpoint, of those whose names start with `prefix`.
inline std::vector<std::vector<double>> state_of(const std::string& run,
                                                 const std::string& prefix = "") {
  std::vector<std::vector<double>> state;
  for (const auto& [name, tensor] : load_safetensors(run + "/checkpoints/last.safetensors").tensors)
    if (name.compare(0, prefix.size(), prefix) == 0) state.push_back(tensor.to_vector());
  return state;
}

}  // namespace espalier::test
