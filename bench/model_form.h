// What a model is timed or profiled as.
#pragma once

#include <string>

#include "engine/graph.h"

namespace espalier::bench {

// A model in one of its forms: a captured graph, in fp32 or in whole numbers, and what its plan
// stores the weights of linear in: f32, f16 or bf16.
struct ModelForm {
  Graph graph;
  DType weights = DType::f32;
  std::string dtype() const;  // "int8" of a graph with integer products, else the weights'
};

}  // namespace espalier::bench
