#include "nn/module.h"

#include <map>

#include "engine/error.h"

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
  std::map<std::string, Tensor> given(state.begin(), state.end());
  const NamedTensors parameters = named_parameters();
  std::string missing, wrong, unexpected;
  for (const auto& [name, parameter] : parameters) {
    const auto found = given.find(name);
    if (found == given.end()) {
      missing += " " + name;
      continue;
    }
    if (found->second.describe() != parameter.describe())
      wrong +=
          " " + name + " (" + found->second.describe() + ", expected " + parameter.describe() + ")";
  }
  for (const auto& [name, parameter] : parameters) given.erase(name);
  for (const auto& [name, tensor] : given) unexpected += " " + name;
  if (!missing.empty() || !wrong.empty() || !unexpected.empty())
    throw Error(ErrorKind::argument,
                "load_state_dict: the tensors do not fit this module;" +
                    (missing.empty() ? "" : " missing:" + missing + ";") +
                    (unexpected.empty() ? "" : " unexpected:" + unexpected + ";") +
                    (wrong.empty() ? "" : " wrong shape or dtype:" + wrong + ";") +
                    " was the file written for another configuration?");
  const std::map<std::string, Tensor> by_name(state.begin(), state.end());
  for (const auto& [name, parameter] : parameters) parameter.copy_(by_name.at(name));
}

void Module::train(bool on) {
  training_ = on;
  for (const auto& [name, child] : children_) child->train(on);
}

Tensor Module::register_parameter(std::string name, const Tensor& parameter) {
  parameter.set_requires_grad();
  parameters_.emplace_back(std::move(name), parameter);
  return parameter;
}

}  // namespace espalier
