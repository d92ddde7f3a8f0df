#pragma once

#include "engine/tensor.h"

namespace espalier {

// Self-attention of `heads` heads over a packed projection: out = softmax(scale Q K^T) V for each
// head (Vaswani et al., 2017, equation 1). qkv: [B, T, 3*H*D], f32 or f64, whose last dimension
// holds the queries of all heads, then their keys, then their values; the result is [B, T, H*D], or
// the first `queries` tokens of it, [B, queries, H*D], by so much less work. The scale is
// 1 / sqrt(D) unless told: heads that lost values to pruning keep the one that they learned with.
// Differentiable.
Tensor attention(const Tensor& qkv, int64_t heads);
Tensor attention(const Tensor& qkv, int64_t heads, int64_t queries);
Tensor attention(const Tensor& qkv, int64_t heads, int64_t queries, double scale);

// The same, of scale 1 / sqrt(D), for queries, keys and values by themselves, each [B, H, T, D]; so
// is the result.
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v);

}  // namespace espalier
