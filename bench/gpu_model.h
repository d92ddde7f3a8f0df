// What a model takes on a GPU, by its plan, and what its training step takes, operation by
// operation: our kernels in turns with cuBLAS's products where those can be had. Logits and losses
// are held against the CPU's before anything is timed; on an emulated GPU nothing is.
#pragma once

#include <optional>
#include <span>

#include "bench/gpu.h"
#include "nn/train_config.h"

namespace espalier::bench {

struct GpuModelTiming {
  std::string way;        // "own", "cuBLAS"
  std::string precision;  // of products: "f32", "bf16", "f16"
  int64_t batch = 0;
  // Of the logits, or of the loss of a step, from the CPU's, and what rounding allows.
  double difference = 0, tolerance = 0;
  std::optional<Summary> seconds{};  // a batch or a step; none where it is wrong, or emulated
  double versus_library = 0;         // how many times as fast as with cuBLAS; 0 for none
  bool launch_graph = false;         // whether one launch gives the GPU all of it
  bool verified() const { return difference <= tolerance; }
};

// A batch of random images in the processor's memory to logits in it, by plans that launch a batch
// as a whole unless told otherwise; with cuBLAS's products operation by operation.
std::vector<GpuModelTiming> measure_model_on_gpu(const GpuFacts& facts, const ViTConfig& config,
                                                 const Graph& graph,
                                                 const std::vector<Precision>& precisions,
                                                 int64_t batch, bool launch_graph,
                                                 const MeasureOptions& options);

// One AdamW step of `config` on random images that lie on the GPU; the loss is read every time.
std::vector<GpuModelTiming> measure_step_on_gpu(const GpuFacts& facts, const TrainConfig& config,
                                                const MeasureOptions& options);

// A plain-text table: its heading, and the line of one result.
std::string gpu_model_heading();
std::string gpu_model_line(const GpuModelTiming& timing);

}  // namespace espalier::bench
