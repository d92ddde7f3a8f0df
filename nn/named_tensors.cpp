#include "nn/named_tensors.h"

#include <map>
#include <string>

#include "engine/error.h"

namespace espalier {

const Tensor* find_named(const NamedTensors& tensors, const std::string& name) {
  for (const auto& [other, tensor] : tensors)
    if (other == name) return &tensor;
  return nullptr;
}

void append_named(const std::string& prefix, const NamedTensors& from, NamedTensors& to) {
  for (const auto& [name, tensor] : from) to.emplace_back(prefix + name, tensor.detach());
}

void copy_named(const char* op, const NamedTensors& to, const NamedTensors& from) {
  std::map<std::string, Tensor> given(from.begin(), from.end());
  std::string missing, wrong, unexpected;
  NamedTensors sources;
  for (const auto& [name, target] : to) {
    const auto found = given.find(name);
    if (found == given.end()) {
      missing += " " + name;
      continue;
    }
    if (found->second.describe() != target.describe())
      wrong +=
          " " + name + " (" + found->second.describe() + ", expected " + target.describe() + ")";
    sources.push_back(*found);
    given.erase(found);
  }
  for (const auto& [name, tensor] : given) unexpected += " " + name;
  if (!missing.empty() || !wrong.empty() || !unexpected.empty())
    throw Error(ErrorKind::argument,
                std::string(op) + ": the tensors do not fit;" +
                    (missing.empty() ? "" : " missing:" + missing + ";") +
                    (unexpected.empty() ? "" : " unexpected:" + unexpected + ";") +
                    (wrong.empty() ? "" : " wrong shape or dtype:" + wrong + ";") +
                    " was the file written for another configuration?");
  for (size_t i = 0; i < to.size(); ++i) to[i].second.copy_(sources[i].second);
}

void move_named(const NamedTensors& tensors, Device device) {
  for (const auto& [name, tensor] : tensors) {
    tensor.set_storage_of(tensor.to(device));
    tensor.set_grad(Tensor());
  }
}

}  // namespace espalier
