// How long smaller models take, for pruning by latency: measured, since arithmetic alone does not
// tell.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "nn/vit.h"

namespace espalier {

struct LatencyOptions {
  int64_t batch = 1;
  std::string dtype = "f32";  // or "f16", "bf16" (of weights), "int8": the form that is timed
  bench::MeasureOptions measure{.sample_seconds = 1e-3, .samples = 151, .budget_seconds = 2};
};

// Plans on num_threads() for models of these configurations, in turns, on random images. Weights
// are random, as no time depends on them. An argument error for a dtype of another name, or a batch
// below 1.
std::vector<bench::Timing> latencies(std::span<const ViTConfig> configs,
                                     const LatencyOptions& options);

// The seconds a batch of a model of the configuration that it is given, as a share of those of one
// of `original`, as latencies() measures both; a configuration that was timed before is not timed
// again. Argument errors as there.
std::function<double(const ViTConfig& config)> relative_latency(const ViTConfig& original,
                                                                const LatencyOptions& options);

}  // namespace espalier
