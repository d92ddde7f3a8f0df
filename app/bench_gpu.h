// What the verbs of `bench` do on a GPU: verify, then time in turns with cuBLAS where there is one.
#pragma once

#include <string>
#include <vector>

#include "nn/model_file.h"
#include "nn/train_config.h"

namespace espalier::app {

// Each returns an exit code; that of failure where a result was wrong, and not timed then.
int bench_kernels_on_gpu(const std::string& filter, bool list, Device device, bool json);
int bench_model_on_gpu(const LoadedModel& model, const std::vector<std::string>& dtypes,
                       const std::vector<int64_t>& batches, Device device, bool launch_graph,
                       double seconds, bool json);
int bench_step_on_gpu(const TrainConfig& config, Device device, bool json);

}  // namespace espalier::app
