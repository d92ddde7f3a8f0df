#include "nn/predictor.h"

namespace espalier {

Predictor::Predictor(const Graph& graph, const PlanOptions& options, Device device,
                     const GpuPlanOptions& on_gpu) {
  check_device(device);
  if (device.on_gpu())
    gpu_plan_.emplace(graph, device, on_gpu);
  else
    plan_.emplace(compile(graph, options));
}

void Predictor::run(const Tensor& input, const Tensor& output) {
  if (gpu_plan_) return gpu_plan_->run(input, output);
  plan_->run(input, output);
}

Tensor Predictor::operator()(const Tensor& input) {
  return gpu_plan_ ? (*gpu_plan_)(input) : (*plan_)(input);
}

Tensor Predictor::run_there(const Tensor& input) {
  return gpu_plan_ ? gpu_plan_->run_there(input) : (*plan_)(input);
}

}  // namespace espalier
