// What compile() makes and Plan runs, and what every plan asks of its operands.
#pragma once

#include <atomic>

#include "engine/lowering.h"
#include "engine/plan.h"

namespace espalier {

struct Plan::Program {
  Graph::Value input, output;  // their shapes
  std::vector<StepFunction> steps;
  std::vector<StepInfo> infos;
  std::vector<const char*> names;  // of the steps' operations
  std::vector<Tensor> constants;   // parameters in place, and what the plan keeps itself
  std::vector<std::byte*> constant_data;
  std::vector<int64_t> offsets;  // of arena buffers
  int64_t lane_bytes = 0, scratch_bytes = 0, weight_bytes = 0;
  int64_t chunk = 1;
  int lanes = 1;
  std::shared_ptr<Storage> memory;  // every lane's arena, then every lane's scratch
  std::atomic<uint64_t> scratch_free{0};

  // A lane's view of the memory for samples [begin, end) of a batch.
  StepRun run_of(int lane, std::byte* input_data, std::byte* output_data, int64_t begin,
                 int64_t end, bool alone);
};

// An argument error of `function` unless x, its `operand`, lies on the CPU, contiguous and f32,
// with the shape of `like` at this batch.
void check_plan_operand(const char* function, const char* operand, const Tensor& x,
                        const Graph::Value& like, int64_t batch);

}  // namespace espalier
