// What several operations write alike, in the forms that other engines recognise.
#pragma once

#include "engine/onnx_writer.h"
#include "kernels/function_ref.h"

namespace espalier {

// GELU, from erf or in its tanh approximation, of `form` "erf" or "tanh".
OnnxName onnx_gelu(OnnxWriter& w, OnnxName x, const char* form);

// softmax(scale q k^T) of heads [B, H, T, D], k being transposed already.
OnnxName onnx_shares(OnnxWriter& w, OnnxName q, OnnxName k, double scale);

// The operation's output: attention of `heads` heads over a packed projection, after each of its
// queries (0), keys (1) and values (2) went through `part`.
void onnx_packed_attention(OnnxWriter& w, int64_t heads, double scale,
                           FunctionRef<OnnxName(OnnxName x, size_t i)> part);

}  // namespace espalier
