#include "bench/model_form.h"

#include "bench/hardware.h"

namespace espalier::bench {

std::string ModelForm::dtype() const {
  for (const Graph::Node& node : graph.nodes) {
    if (arithmetic_of(graph, node) == DType::s8) return arithmetic_name(DType::s8);
    if (is_op(node, "linear_dynamic")) return "dynamic";
    if (is_op(node, "linear_wq"))
      return graph.values[static_cast<size_t>(node.inputs[1])].dtype == DType::s8 ? "w8" : "w4";
  }
  return dtype_name(weights);
}

}  // namespace espalier::bench
