#pragma once

#include "engine/tensor.h"

namespace espalier {

// Self-attention of `heads` heads over a packed projection: out = softmax(Q K^T / sqrt(D)) V for
// each head (Vaswani et al., 2017, equation 1). qkv: [B, T, 3*H*D], f32 or f64, whose last
// dimension holds the queries of all heads, then their keys, then their values; the result is
// [B, T, H*D], or the first `queries` tokens of it, [B, queries, H*D], by so much less work.
// Differentiable.
Tensor attention(const Tensor& qkv, int64_t heads);
Tensor attention(const Tensor& qkv, int64_t heads, int64_t queries);

// The same for queries, keys and values by themselves, each [B, H, T, D]; so is the result.
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v);

}  // namespace espalier
