#include "compress/sensitivity.h"

#include <algorithm>
#include <cmath>

#include "compress/convert.h"
#include "compress/fidelity.h"
#include "engine/error.h"
#include "engine/ops/view.h"
#include "engine/plan.h"
#include "nn/int8_graph.h"

namespace espalier {
namespace {

// A weight [out, in] as codes -codes to codes stand for it.
Tensor rounded(const Tensor& weight, float codes) {
  const Tensor from = contiguous(weight.detach()), to = Tensor::empty(weight.shape());
  const Tensor scales = weight_scale(weight, codes);
  const int64_t K = weight.size(1);
  for (int64_t n = 0; n < weight.size(0); ++n) {
    const float* row = from.data<float>() + n * K;
    const auto scale = static_cast<double>(scales.data<float>()[n]);
    for (int64_t k = 0; k < K; ++k)
      to.data<float>()[n * K + k] =
          static_cast<float>(std::nearbyint(static_cast<double>(row[k]) / scale) * scale);
  }
  return to;
}

}  // namespace

std::vector<LayerSensitivity> sensitivity(const Graph& graph, const Tensor& inputs) {
  const Int8Roles roles = int8_roles(graph);
  const Tensor expected = compile(graph)(inputs);
  std::vector<LayerSensitivity> out;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!is_linear(roles.of_node[n])) continue;
    const Graph::Node& node = graph.nodes[n];
    const auto value = static_cast<size_t>(node.inputs[1]);
    const Tensor& weight = graph.values[value].constant;
    if (!weight.defined())
      argument_error("sensitivity", node.op->name, "a weight that is computed", "a constant", "");
    const auto with = [&](float codes) {
      Graph coarse = graph;
      coarse.values[value].constant = rounded(weight, codes);
      return fidelity(compile(coarse)(inputs), expected).signal_to_noise;
    };
    out.push_back({node.layer, weight.numel(), with(127), with(7)});
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.with_4_bits < b.with_4_bits; });
  return out;
}

}  // namespace espalier
