// A captured model, ready to run on a device.
#pragma once

#include <optional>

#include "engine/gpu_plan.h"
#include "engine/plan.h"

namespace espalier {

// By a plan of the device: on the CPU one of `options`, on a GPU one of `on_gpu`, whatever
// `options` says of weights.
class Predictor {
 public:
  Predictor(const Graph& graph, const PlanOptions& options, Device device,
            const GpuPlanOptions& on_gpu = {});

  // input and output on the CPU, contiguous, as both plans take them. A device error that names the
  // operation where one has no kernel for a GPU.
  void run(const Tensor& input, const Tensor& output);
  // The same into a fresh tensor.
  Tensor operator()(const Tensor& input);
  // The same of an input on the device, where the result stays; on a GPU until the next run.
  Tensor run_there(const Tensor& input);

  // Null on the CPU.
  const GpuPlan* gpu_plan() const noexcept { return gpu_plan_ ? &*gpu_plan_ : nullptr; }

 private:
  std::optional<Plan> plan_;
  std::optional<GpuPlan> gpu_plan_;
};

}  // namespace espalier
