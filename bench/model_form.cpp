#include "bench/model_form.h"

#include "bench/hardware.h"

namespace espalier::bench {

std::string ModelForm::dtype() const {
  for (const Graph::Node& node : graph.nodes)
    if (arithmetic_of(graph, node) == DType::s8) return arithmetic_name(DType::s8);
  return dtype_name(weights);
}

}  // namespace espalier::bench
