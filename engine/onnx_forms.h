// What several operations write alike, in the forms that other engines recognise.
#pragma once

#include "engine/function_ref.h"
#include "engine/onnx_writer.h"

namespace espalier {

// GELU, from erf or in its tanh approximation, of `form` "erf" or "tanh".
OnnxName onnx_gelu(OnnxWriter& w, OnnxName x, const char* form);

// softmax(q k^T / sqrt(D)) of heads [B, H, T, D], k being transposed already.
OnnxName onnx_shares(OnnxWriter& w, OnnxName q, OnnxName k, int64_t D);

// What is multiplied in an attention.
enum class AttentionPart { queries, keys, values, shares };

// The operation's output: attention of `heads` heads over a packed projection, each of whose parts
// goes through `seen` before it is multiplied.
void onnx_packed_attention(OnnxWriter& w, int64_t heads,
                           FunctionRef<OnnxName(OnnxName x, AttentionPart part)> seen);

}  // namespace espalier
