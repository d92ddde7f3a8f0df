// A model in whole numbers: a captured graph in which the tokenizer's convolutions run on 8-bit
// codes, and everything between tokenizer and head on such codes and a 16-bit residual stream, no
// fp32 activation between them.
//
// The tokenizer, whose codes are added to positions in fp32 and become the stream:
//
//   input f32 -> quantize -> conv2d_s8 -> max_pool2d -> ... -> dequantize
//
// One block (Vaswani et al., 2017; the arithmetic after Jacob et al., 2018):
//
//   stream s16 -> layer_norm_s8 -> linear_s8 -> attention_s8 -> add_linear_s8 -> stream
//   stream s16 -> layer_norm_s8 -> linear_s8 with a table for GELU -> add_linear_s8 -> stream
//
// The numbers that it needs stand under the names of the layers whose work they do:
//
//   input.scale                   f32 [1]   of the input's codes
//   input.zero_point              s32 [1]
//   <conv>.weight                 s8  [out, height, width, in]
//   <conv>.bias, <conv>.multiplier          as those of linear layers
//   <conv>.scale                  f32 [1]   of its codes
//   <conv>.zero_point             s32 [1]   -128 where ReLU follows
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
// The scales of an encoder's codes are for other engines alone (export): files of old lack them and
// run as well. Where the weight of the tokenizer's first convolution is not s8, as in files of old,
// the tokenizer stays in floats; where that of the first linear layer behind a layer norm is not,
// that branch does, and what it makes is added to what the stream stands for.
#pragma once

#include <map>
#include <string>

#include "engine/ops/linear_s8.h"
#include "engine/replay.h"
#include "nn/int8_roles.h"

namespace espalier {

// The calls of a model in whole numbers, node by node, on tensors at hand: what int8_graph()
// captures, and what quantisation-aware training runs in its forward pass. `graph` must outlive it.
class Int8Calls {
 public:
  // Argument errors name a parameter that is absent or does not fit.
  Int8Calls(const Graph& graph, const NamedTensors& parameters)
      : Int8Calls(graph, parameters, parameters) {}
  // Numbers are read from `parameters`, on the CPU; the calls take `operands`, tensors of the same
  // names and values where the calls are to run.
  Int8Calls(const Graph& graph, const NamedTensors& parameters, const NamedTensors& operands);

  const Int8Roles& roles() const noexcept { return roles_; }

  // The codes (or the sum on the stream) that node `n` makes, which has a role: `call` is that node
  // with codes s8, or the stream s16, for operands; the graph's input may be f32. `residual` is the
  // stream that an add_linear adds to. Absorbed nodes make nothing of their own.
  Tensor operator()(size_t n, const NodeCall& call, const Tensor& residual) const;

  Tensor from_tokens(const Tensor& codes) const;  // s8, what roles().tokens is made of -> f32
  Tensor to_stream(const Tensor& x) const;        // f32 -> s16
  Tensor from_stream(const Tensor& codes) const;  // s16 -> f32

 private:
  // Numbers of one node: attributes may not be read from tensors during a capture.
  struct Numbers {
    int64_t zero_point = 0;
    double score = 0, multiplier = 0;
    Affine codes{};         // of the result of a layer norm, a convolution or a table
    int64_t border = 0;     // of a convolution: the zero point of its input
    const char* gelu = "";  // what the table is
  };

  bool has(const std::string& name) const { return parameters_.count(name) > 0; }
  const Tensor& parameter(const std::string& name) const;
  const Tensor& operand(const std::string& name) const;
  template <class T>
  T number(const std::string& name, int64_t i) const;
  Affine codes(const std::string& prefix) const;
  Affine codes_if_told(const std::string& prefix) const;
  Numbers read_numbers(size_t n) const;
  void read_tokenizer();
  void check_bias(const std::string& layer) const;
  void check_multiplier(const std::string& layer) const;
  LinearS8 linear(const std::string& layer) const;

  const Graph& graph_;
  const std::map<std::string, Tensor> parameters_, operands_;
  const Int8Roles roles_;
  double stream_scale_ = 1;
  Affine input_, tokens_;
  std::vector<Numbers> numbers_;  // by node
};

// The roles that the layers with s8 weights among `parameters` make.
Int8Roles int8_roles_of(const Graph& graph, const NamedTensors& parameters);

// The graph in whole numbers. `parameters` are those above; what stays in fp32 keeps the graph's
// own constants. Argument errors name a parameter that is absent or does not fit.
Graph int8_graph(const Graph& graph, const NamedTensors& parameters);

}  // namespace espalier
