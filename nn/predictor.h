// A captured model, ready to run on a device.
#pragma once

#include <optional>

#include "engine/plan.h"

namespace espalier {

// On the CPU by a plan. On a GPU call by call in fp32, whatever `options` says of weights: its
// constants are copied there once.
class Predictor {
 public:
  Predictor(const Graph& graph, const PlanOptions& options, Device device);

  // input and output on the CPU, contiguous, as Plan::run takes them. A device error that names the
  // operation where one has no kernel for a GPU.
  void run(const Tensor& input, const Tensor& output);
  // The same into a fresh tensor.
  Tensor operator()(const Tensor& input);

 private:
  Device device_;
  std::optional<Plan> plan_;
  Graph graph_;  // on the GPU
};

}  // namespace espalier
