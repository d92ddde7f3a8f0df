#include "nn/module.h"

#include "engine/device_scope.h"
#include "nn/named_tensors.h"

namespace espalier {

void Module::collect(const std::string& prefix, NamedTensors& out) const {
  for (const auto& [name, tensor] : parameters_) out.emplace_back(prefix + name, tensor);
  for (const auto& [name, child] : children_) child->collect(prefix + name + ".", out);
}

NamedTensors Module::named_parameters() const {
  NamedTensors out;
  collect("", out);
  return out;
}

void Module::collect_modules(const std::string& name,
                             std::vector<std::pair<std::string, Module*>>& out) {
  out.emplace_back(name, this);
  for (const auto& [own, child] : children_)
    child->collect_modules(name.empty() ? own : name + "." + own, out);
}

std::vector<std::pair<std::string, Module*>> Module::named_modules() {
  std::vector<std::pair<std::string, Module*>> out;
  collect_modules("", out);
  return out;
}

int64_t Module::parameter_count() const {
  int64_t count = 0;
  for (const auto& [name, tensor] : named_parameters()) count += tensor.numel();
  return count;
}

NamedTensors Module::state_dict() const {
  NamedTensors state;
  for (const auto& [name, tensor] : named_parameters()) state.emplace_back(name, tensor.detach());
  return state;
}

void Module::load_state_dict(const NamedTensors& state) {
  copy_named("load_state_dict", named_parameters(), state);
}

void Module::to(Device device) { move_named(named_parameters(), device); }

void Module::train(bool on) {
  training_ = on;
  for (const auto& [name, child] : children_) child->train(on);
}

Tensor Module::register_parameter(std::string name, const Tensor& parameter) {
  parameter.set_requires_grad();
  parameters_.emplace_back(std::move(name), parameter);
  return parameter;
}

Device Module::device() const {
  const NamedTensors parameters = named_parameters();
  return parameters.empty() ? Device::cpu() : parameters.front().second.device();
}

Graph capture(const Module& module, const Shape& sample) {
  const DeviceScope there(module.device());  // where the capture makes its inputs
  return capture([&](const Tensor& x) { return module(x); }, sample, module.named_parameters());
}

}  // namespace espalier
