// What a model in whole numbers rounds its activations to, chosen by observers or by training.
#pragma once

#include <map>
#include <string>

#include "compress/calibrate.h"
#include "nn/int8_roles.h"

namespace espalier {

// By the names of layers, as nn/int8_graph.h has them:
//
//   input.scale                    of the tokenizer's input
//   <conv>.scale                   of its convolutions, after ReLU where that follows
//   stream.scale                   of the residual stream's 16-bit codes
//   <norm>.scale, <attention>.scale
//   <linear>.scale                 where it makes codes; three of q, k and v
//   <linear>.table_scale           of what GELU makes of them
struct Int8Scales {
  NamedTensors scales;                         // f32 [1] or [3], all positive
  std::map<std::string, int64_t> zero_points;  // "<layer>.zero_point", "<layer>.table_zero_point"
  KeptLayers kept{};                           // what stays in floats and has none of these

  // An argument error where there is none of that name.
  Tensor scale(const std::string& name) const;
  // 0 where there is none: q, k, v and the stream are symmetric.
  int64_t zero_point(const std::string& name) const;
};

// From the observed range of each value: affine codes, but symmetric ones for q, k, v and the
// stream. Below the input at which GELU is as good as zero there are no codes. A range of no width
// gets scale 1. Argument errors: those of int8_roles(), observers of another graph.
Int8Scales choose_int8_scales(const Graph& graph, const Observers& observers,
                              const KeptLayers& kept = {});

}  // namespace espalier
