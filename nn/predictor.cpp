#include "nn/predictor.h"

#include "engine/autograd.h"
#include "engine/replay.h"

namespace espalier {

Predictor::Predictor(const Graph& graph, const PlanOptions& options, Device device)
    : device_(device) {
  check_device(device);
  if (!device.on_gpu()) {
    plan_.emplace(compile(graph, options));
    return;
  }
  graph_ = graph;
  for (Graph::Value& value : graph_.values)
    if (value.constant.defined()) value.constant = value.constant.detach().to(device);
}

void Predictor::run(const Tensor& input, const Tensor& output) {
  if (!device_.on_gpu()) return plan_->run(input, output);
  const NoGradGuard off;
  output.copy_(replay(graph_, input.to(device_)));
}

Tensor Predictor::operator()(const Tensor& input) {
  if (!device_.on_gpu()) return (*plan_)(input);
  const NoGradGuard off;
  return replay(graph_, input.to(device_)).to(Device::cpu());
}

}  // namespace espalier
