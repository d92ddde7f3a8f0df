#include "compress/gelu_forms.h"

#include <cmath>
#include <cstring>

#include "engine/error.h"

namespace espalier {
namespace {

double erf_gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
double tanh_gelu(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

}  // namespace

ScalarFunction gelu_of(const Graph::Node& gelu) {
  return std::strcmp(attribute<const char*>(gelu, "form"), "erf") == 0 ? erf_gelu : tanh_gelu;
}

const Graph::Node& reader_of(const Graph& graph, int value) {
  for (const Graph::Node& node : graph.nodes)
    for (int input : node.inputs)
      if (input == value) return node;
  argument_error("convert_int8", "graph", "a value that nothing reads", "a GELU", "");
}

}  // namespace espalier
