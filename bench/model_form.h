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
  // "int8" of a graph with integer products, "w8" or "w4" of one with weights in such codes, else
  // the weights'.
  std::string dtype() const;
};

}  // namespace espalier::bench
