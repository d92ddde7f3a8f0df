// An encoder in whole numbers: a captured graph in which everything between tokenizer and head runs
// on 8-bit codes and a 16-bit residual stream, no fp32 activation between them.
//
// One block (Vaswani et al., 2017; the arithmetic after Jacob et al., 2018):
//
//   stream s16 -> layer_norm_s8 -> linear_s8 -> attention_s8 -> add_linear_s8 -> stream
//   stream s16 -> layer_norm_s8 -> linear_s8 with a table for GELU -> add_linear_s8 -> stream
//
// The numbers that it needs stand under the names of the layers whose work they do:
//
//   stream.scale                  f32 [1]   of the whole residual stream
//   <norm>.weight, <norm>.bias    f32 [D]   as layer_norm_s8() takes them
//   <norm>.scale                  f32 [1]   of its codes
//   <norm>.zero_point             s32 [1]
//   <linear>.weight               s8  [out, in]
//   <linear>.bias                 s32 [out]
//   <linear>.multiplier           f32 [out]
//   <linear>.scale                f32 [1]   of its codes, where it makes codes; [3] of q, k and v
//   <linear>.zero_point           s32 [1]   of its codes, where it makes codes
//   <linear>.table                s8  [256] where GELU follows
//   <linear>.table_scale          f32 [1]   of the codes that the table gives
//   <linear>.table_zero_point     s32 [1]
//   <attention>.scales            f32 [2]   score and multiplier, as attention_s8() takes them
//   <attention>.zero_point        s32 [1]
//
// The scales of codes are for other engines alone (export): files of old lack them and run as well.
#pragma once

#include <map>
#include <string>

#include "engine/ops/linear_s8.h"
#include "engine/replay.h"
#include "nn/int8_roles.h"

namespace espalier {

// The calls of an encoder in whole numbers, node by node, on tensors at hand: what int8_graph()
// captures, and what quantisation-aware training runs in its forward pass. `graph` must outlive it.
class Int8Calls {
 public:
  // Argument errors name a parameter that is absent or does not fit.
  Int8Calls(const Graph& graph, const NamedTensors& parameters);

  const Int8Roles& roles() const noexcept { return roles_; }

  // The codes (or the sum on the stream) that node `n` makes, which has a role: `call` is that node
  // with codes s8, or the stream s16, for operands. `residual` is the stream that an add_linear
  // adds to. Absorbed nodes make nothing of their own.
  Tensor operator()(size_t n, const NodeCall& call, const Tensor& residual) const;

  Tensor to_stream(const Tensor& x) const;        // f32 -> s16
  Tensor from_stream(const Tensor& codes) const;  // s16 -> f32

 private:
  // Numbers of one node: attributes may not be read from tensors during a capture.
  struct Numbers {
    int64_t zero_point = 0;
    double score = 0, multiplier = 0;
    Affine codes{};         // of a layer norm's result, or of the table's
    const char* gelu = "";  // what the table is
  };

  bool has(const std::string& name) const { return parameters_.count(name) > 0; }
  const Tensor& parameter(const std::string& name) const;
  template <class T>
  T number(const std::string& name, int64_t i) const;
  Affine codes_if_told(const std::string& prefix) const;
  Numbers read_numbers(size_t n) const;
  void check_bias(const std::string& layer) const;
  LinearS8 linear(const std::string& layer) const;

  const Graph& graph_;
  const Int8Roles roles_;
  std::map<std::string, Tensor> parameters_;
  double stream_scale_ = 1;
  std::vector<Numbers> numbers_;  // by node
};

// The graph in whole numbers. `parameters` are those above; what stays in fp32 keeps the graph's
// own constants. Argument errors name a parameter that is absent or does not fit.
Graph int8_graph(const Graph& graph, const NamedTensors& parameters);

}  // namespace espalier
