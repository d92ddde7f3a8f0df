#pragma once

#include "engine/tensor.h"

namespace espalier {

// How the codes of an integer attention relate to the numbers they stand for.
struct AttentionS8Scales {
  double score;        // scale of q * scale of k * attention's own scale * log2(e) * 256
  double multiplier;   // scale of v / scale of the result
  int64_t zero_point;  // of the result
};

// Multi-head attention on 8-bit codes with an integer softmax (kernels/attention_s8 defines each
// step): qkv s8 [B, T, 3 * H * D], without zero point, as attention() takes it -> s8 [B, T, H * D].
// Not differentiable.
Tensor attention_s8(const Tensor& qkv, int64_t heads, const AttentionS8Scales& scales);

}  // namespace espalier
