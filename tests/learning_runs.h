// Runs of continual learning on the small stream, and what they end with.
#pragma once

#include <filesystem>

#include "tests/run_state.h"
#include "tests/small_stream.h"
#include "tests/small_vit.h"
#include "tests/temporary_folder.h"

namespace espalier::test {

inline std::string new_folder(const TemporaryFolder& folder, const std::string& name) {
  std::filesystem::create_directories(folder.file(name + "/checkpoints"));
  return folder.file(name);
}

// What a run of this configuration is given to learn: none where it makes its own.
inline std::unique_ptr<StagedModule> network_for(const LearnConfig& config) {
  return config.network == "mlp" ? nullptr : small_vit();
}

inline std::vector<std::vector<double>> learned(const LearnConfig& config, const std::string& run) {
  ContinualTrainer trainer(config, small_stream(config), run);
  CHECK(trainer.run());
  return state_of(run);
}

}  // namespace espalier::test
