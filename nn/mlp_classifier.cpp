#include "nn/mlp_classifier.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/ops/binary.h"
#include "engine/ops/relu.h"
#include "engine/ops/view.h"

namespace espalier {

void validate(const MlpConfig& c) {
  const auto at_least_one = [](const char* field, int64_t value) {
    if (value < 1) argument_error("MlpConfig", field, std::to_string(value), "at least 1", "");
  };
  at_least_one("height", c.input.height);
  at_least_one("width", c.input.width);
  at_least_one("channels", c.input.channels);
  at_least_one("classes", c.classes);
  for (int64_t width : c.hidden) at_least_one("hidden", width);
  if (c.hidden.empty())
    argument_error("MlpConfig", "hidden", "none", "at least one hidden layer", "");
  if (!(c.input.deviation > 0))
    argument_error("MlpConfig", "deviation", std::to_string(c.input.deviation), "more than 0", "");
}

MlpClassifier::MlpClassifier(const MlpConfig& chosen, Generator& generator)
    : config((validate(chosen), chosen)) {
  std::vector<int64_t> outs = config.hidden;
  outs.push_back(config.classes);
  int64_t in = config.input.height * config.input.width * config.input.channels;
  for (int64_t out : outs) {
    const Linear& layer = register_module("layers." + std::to_string(layers_.size()),
                                          std::make_unique<Linear>(in, out, generator));
    const double bound = std::sqrt(6.0 / static_cast<double>(in + out));
    layer.weight.copy_(sub(mul(uniform({out, in}, generator), 2 * bound), bound));
    layers_.push_back(&layer);
    in = out;
  }
}

int64_t MlpClassifier::stage_of(const std::string& parameter) const {
  constexpr std::string_view layer = "layers.";
  return std::stoll(parameter.substr(layer.size()));
}

Tensor MlpClassifier::run_stages(const Tensor& x, int64_t begin, int64_t end) const {
  Tensor y = x;
  for (int64_t i = begin; i < end; ++i) {
    if (i == 0) y = flatten(y, 1);
    y = (*layers_[static_cast<size_t>(i)])(y);
    if (i + 1 < stages()) y = relu(y);
  }
  return y;
}

}  // namespace espalier
