#include "nn/prompts.h"

#include <algorithm>
#include <numeric>

#include "engine/autograd.h"
#include "engine/device_scope.h"
#include "engine/error.h"
#include "engine/ops/binary.h"
#include "engine/ops/cat.h"
#include "engine/ops/embedding.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduce.h"
#include "engine/ops/view.h"
#include "nn/contrastive.h"

namespace espalier {
namespace {

constexpr std::string_view of_trunk = "trunk.";

std::unique_ptr<VisionTransformer> checked(std::unique_ptr<VisionTransformer> trunk,
                                           const PromptOptions& o) {
  constexpr const char* name = "PromptedTransformer";
  if (!trunk) argument_error(name, "trunk", "none", "a Vision Transformer", "");
  for (const auto& [field, value] :
       {std::pair{"pool", o.pool}, {"length", o.length}, {"chosen", o.chosen}})
    if (value < 1) argument_error(name, field, std::to_string(value), "at least 1", "");
  if (o.chosen > o.pool)
    argument_error(name, "chosen", std::to_string(o.chosen),
                   "at most the " + std::to_string(o.pool) + " of the pool", "");
  return trunk;
}

Tensor query_of(const Tensor& x) { return select(x, 1, 0); }

}  // namespace

PromptedTransformer::PromptedTransformer(std::unique_ptr<VisionTransformer> trunk,
                                         const PromptOptions& chosen, Generator& generator)
    : options(chosen),
      trunk_(register_module("trunk", checked(std::move(trunk), chosen))),
      keys(register_parameter("keys", normal({chosen.pool, trunk_.config.width}, generator))),
      prompts(register_parameter(
          "prompts", normal({chosen.pool, chosen.length, trunk_.config.width}, generator, 0.02))) {}

int64_t PromptedTransformer::stage_of(const std::string& parameter) const {
  if (!parameter.starts_with(of_trunk)) return 1;
  const int64_t stage = trunk_.stage_of(parameter.substr(of_trunk.size()));
  return stage == 0 ? 0 : stage + 1;
}

Tensor PromptedTransformer::choice(const Tensor& x) const {
  const NoGradGuard off_the_tape;
  const Tensor nearness = contiguous(matmul(unit_rows(contiguous(query_of(x.detach()))),
                                            transpose(unit_rows(keys.detach()), 0, 1)))
                              .to(Device::cpu());
  const int64_t rows = nearness.size(0), count = options.chosen;
  const DeviceScope here(Device::cpu());
  const Tensor out = Tensor::empty({rows, count}, DType::s64);
  std::vector<int64_t> order(static_cast<size_t>(options.pool));
  for (int64_t row = 0; row < rows; ++row) {
    const float* near = nearness.data<float>() + row * options.pool;
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int64_t a, int64_t b) {
      return near[a] > near[b] || (near[a] == near[b] && a < b);
    });
    std::copy_n(order.begin(), count, out.data<int64_t>() + row * count);
  }
  return out.to(x.device());
}

Tensor PromptedTransformer::pull(const Tensor& x) const {
  const Tensor chosen = embedding(choice(x), unit_rows(keys));  // [B, N, D]
  const Tensor query = unsqueeze(unit_rows(contiguous(query_of(x))), 1);
  const double rows = static_cast<double>(x.size(0));
  return sub(static_cast<double>(options.chosen), div(sum(mul(chosen, query)), rows));
}

Tensor PromptedTransformer::stage(const Tensor& x, int64_t i) const {
  if (i > 1) return trunk_.run_stages(x, i - 1, i);
  if (i == 0) {
    const Tensor tokens = trunk_.run_stages(x, 0, 1);
    const Tensor query = trunk_.run_stages(tokens, 1, trunk_.stages() - 1);
    return cat({unsqueeze(query, 1), tokens}, 1);
  }
  const int64_t rows = x.size(0), width = x.size(2), end = x.size(1);
  const Tensor table = reshape(prompts, {options.pool, options.length * width});
  const Tensor read = reshape(embedding(choice(x), table), {rows, -1, width});
  const int64_t patches = trunk_.config.pooling == "class" ? 2 : 1;
  if (patches == 1) return cat({read, slice(x, 1, 1, end)}, 1);
  return cat({slice(x, 1, 1, patches), read, slice(x, 1, patches, end)}, 1);
}

Tensor PromptedTransformer::run_stages(const Tensor& x, int64_t begin, int64_t end) const {
  Tensor y = x;
  for (int64_t i = begin; i < end; ++i) y = stage(y, i);
  return y;
}

ParameterOptions prompts_and_head(const std::string& name, const Tensor& parameter) {
  ParameterOptions options = decay_matrices(name, parameter);
  options.frozen = name.starts_with(of_trunk) && !name.starts_with("trunk.head.");
  return options;
}

}  // namespace espalier
