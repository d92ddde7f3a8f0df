// How long a model takes for a batch, against what this machine's arithmetic allows.
#pragma once

#include <string>

#include "bench/measure.h"
#include "nn/vit.h"

namespace espalier::bench {

struct ModelTiming {
  std::string model, dtype;
  int64_t batch = 0, chunk = 0;  // the chunk is the plan's
  int threads = 0;
  double flops = 0;      // of one batch, counted on the captured graph
  Summary plan, module;  // seconds a batch: compiled, and operation by operation
  double speed_up = 0;   // the module's seconds over the plan's of the same rounds
  double peak = 0;       // FLOP/s that these threads reached in the same rounds
  // The largest difference between a logit of the plan and of the module, and what rounding allows.
  double difference = 0, tolerance = 0;

  bool verified() const { return difference <= tolerance; }
  double floor_seconds() const { return flops / peak; }
};

// Of a plan that stores weights as `weights`: f32, f16 or bf16. Sets the pool to `threads` and
// leaves it so. Random images. Times nothing unless verified.
ModelTiming measure_model(const VisionTransformer& model, DType weights, int64_t batch, int threads,
                          const MeasureOptions& options);

// A table's heading and one line of it, each with its newline.
std::string model_table_heading();
std::string model_table_line(const ModelTiming& timing);

}  // namespace espalier::bench
