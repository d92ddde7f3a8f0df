#include "engine/onnx_forms.h"

#include <cmath>
#include <cstring>
#include <numbers>

#include "engine/error.h"

namespace espalier {

// Both as they are written in ONNX files of others, which engines replace by one operation.
OnnxName onnx_gelu(OnnxWriter& w, OnnxName x, const char* form) {
  const OnnxName one = w.number(1), half = w.number(0.5);
  OnnxName bend;
  if (std::strcmp(form, "erf") == 0) {
    bend = w.add("Erf", {w.add("Div", {x, w.number(std::sqrt(2.0))})});
  } else if (std::strcmp(form, "tanh") != 0) {
    argument_error("export", w.node().op->name, "of an unknown function", "a GELU", "");
  } else {
    const OnnxName cube = w.add("Pow", {x, w.number(3)});
    const OnnxName sum = w.add("Add", {x, w.add("Mul", {cube, w.number(0.044715)})});
    bend = w.add("Tanh", {w.add("Mul", {sum, w.number(std::sqrt(2 / std::numbers::pi))})});
  }
  return w.add("Mul", {w.add("Mul", {x, w.add("Add", {bend, one})}), half});
}

// A form that others recognise: onnxruntime folds the division into a product, OpenVINO makes it
// all one operation.
OnnxName onnx_shares(OnnxWriter& w, OnnxName q, OnnxName k, double scale) {
  const OnnxName logits = w.add("Div", {w.add("MatMul", {q, k}), w.number(1 / scale)});
  return w.add("Softmax", {logits}, {{"axis", int64_t{-1}}});
}

void onnx_packed_attention(OnnxWriter& w, int64_t heads, double scale,
                           FunctionRef<OnnxName(OnnxName x, size_t i)> part) {
  const int64_t tokens = w.fixed(w.in_shape(0)[1]), width = w.fixed(w.out_shape()[2]);
  const int64_t queries = w.fixed(w.out_shape()[1]);
  const int64_t head_dim = width / heads;
  auto parts = w.split(w.in(0), {width, width, width}, 2);
  if (queries < tokens)
    parts[0] = w.add("Slice", {parts[0], w.integers({0}), w.integers({queries}), w.integers({1})});
  const auto by_head = [&](size_t i, int64_t rows, const Shape& order) {
    const OnnxName apart = w.integers({0, rows, heads, head_dim});
    return w.transpose(w.add("Reshape", {part(parts[i], i), apart}), order);
  };
  const OnnxName q = by_head(0, queries, {0, 2, 1, 3}), k = by_head(1, tokens, {0, 2, 3, 1});
  const OnnxName v = by_head(2, tokens, {0, 2, 1, 3});
  const OnnxName mixed = w.add("MatMul", {onnx_shares(w, q, k, scale), v});
  w.out("Reshape", {w.transpose(mixed, {0, 2, 1, 3}), w.integers({0, queries, width})});
}

}  // namespace espalier
