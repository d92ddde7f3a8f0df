// What the verbs that run a model on pictures let their user say of how.
#pragma once

#include <string>

#include "app/command.h"
#include "nn/predictor.h"

namespace espalier::app {

struct InferenceFlags : CommonFlags {
  InferenceFlags() { runs_on_gpu = chooses_gemm = true; }
  std::string precision = "";  // of products; none: f32, or on the CPU what the file's weights are
  bool no_launch_graph = false;
};

// Adds what add_machine_flags() does, --precision and --no-launch-graph.
void add_inference_flags(CLI::App& verb, InferenceFlags& flags);

// The model ready to run as the flags say. An argument error for f16 on the CPU, and for a
// precision of a model whose products are not those of floats.
Predictor predictor_of(const LoadedModel& model, const InferenceFlags& flags, Device device);

}  // namespace espalier::app
