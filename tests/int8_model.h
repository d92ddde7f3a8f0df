// What makes a captured model one in whole numbers.
#pragma once

#include "compress/convert.h"
#include "compress/observers/min_max.h"
#include "nn/int8_graph.h"

namespace espalier::test {

// The parameters of int8_graph() for the ranges that the inputs give.
inline NamedTensors int8_parameters(const Graph& graph, const Tensor& inputs) {
  return convert_int8(graph,
                      calibrate(graph, inputs, [] { return std::make_unique<MinMaxObserver>(); }));
}

}  // namespace espalier::test
