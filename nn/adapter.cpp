#include "nn/adapter.h"

#include <cmath>

#include "engine/error.h"
#include "engine/ops/binary.h"

namespace espalier {
namespace {

int64_t checked(int64_t bottleneck) {
  if (bottleneck < 1)
    argument_error("Adapter", "bottleneck", std::to_string(bottleneck), "at least 1", "");
  return bottleneck;
}

}  // namespace

Adapter::Adapter(int64_t width, int64_t bottleneck, Generator& generator)
    : down_(
          register_module("down", std::make_unique<Linear>(width, checked(bottleneck), generator))),
      up_(register_module("up", std::make_unique<Linear>(bottleneck, width, generator))) {
  down_.weight.copy_(
      normal({bottleneck, width}, generator, 1 / std::sqrt(static_cast<double>(width))));
  up_.weight.copy_(Tensor::zeros({width, bottleneck}));
}

Tensor Adapter::forward(const Tensor& x) const { return add(x, up_(gelu(down_(x)))); }

void add_adapters(VisionTransformer& model, int64_t bottleneck, Generator& generator) {
  const int64_t width = model.config.width;
  for (const auto& [name, module] : model.named_modules()) {
    auto* block = dynamic_cast<EncoderBlock*>(module);
    if (!block) continue;
    auto of_attention = std::make_unique<Adapter>(width, bottleneck, generator);
    block->add_adapters(std::move(of_attention),
                        std::make_unique<Adapter>(width, bottleneck, generator));
  }
}

ParameterOptions adapters_and_head(const std::string& name, const Tensor& parameter) {
  ParameterOptions options = decay_matrices(name, parameter);
  const auto within = [&](const char* part) { return name.find(part) != std::string::npos; };
  const bool of_norm = within(".norm1.") || within(".norm2.") || name.starts_with("norm.");
  options.frozen = !(within("_adapter.") || of_norm || name.starts_with("head."));
  return options;
}

}  // namespace espalier
