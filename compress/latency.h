// How long smaller models take, for pruning by latency: measured, since arithmetic alone does not
// tell.
#pragma once

#include <functional>
#include <string>

#include "bench/measure.h"
#include "nn/vit.h"

namespace espalier {

struct LatencyOptions {
  int64_t batch = 1;
  std::string dtype = "f32";  // or "f16", "bf16" (of weights), "int8": the form that is timed
  bench::MeasureOptions measure{.sample_seconds = 1e-3, .samples = 151, .budget_seconds = 2};
};

// The seconds a batch of a model of the configuration that it is given, as a share of those of one
// of `original`: both as plans on num_threads(), in turns. Weights are random, as no time depends
// on them, but a configuration that was timed before is not timed again. An argument error for a
// dtype of another name, or a batch below 1.
std::function<double(const ViTConfig& config)> relative_latency(const ViTConfig& original,
                                                                const LatencyOptions& options);

}  // namespace espalier
