// GELU in double, for tables of codes (Hendrycks & Gimpel, 1606.08415).
#pragma once

#include "engine/graph.h"

namespace espalier {

using ScalarFunction = double (*)(double);
// Of a "gelu" node: by its attribute "form", "erf" or "tanh".
ScalarFunction gelu_of(const Graph::Node& gelu);

// The node that reads `value`, of which there is one: what stands behind a linear layer with a
// table.
const Graph::Node& reader_of(const Graph& graph, int value);

}  // namespace espalier
