// Images and texts in one space: what brings those that belong together near each other.
#pragma once

#include "engine/tensor.h"

namespace espalier {

// Rows of x [N, F], scaled to unit length; rows of zeros stay. Differentiable.
Tensor unit_rows(const Tensor& x);

// The symmetric contrastive loss of N pairs of an image and a text, a scalar, with u_i and v_i
// their embeddings, rows of unit length of `images` and `texts`, [N, E] each, and s = `scale` [1],
// the inverse of a temperature, which may be learned (Radford et al., 2021, 2103.00020, section
// 2.3):
//
//   1/2 mean_i CE(s u_i V^T, q_i) + 1/2 mean_i CE(s v_i U^T, q_i)
//
// CE is cross-entropy over the batch. CLIP's target of row i is pair i alone. Of labelled images a
// batch has several of one class, whose texts say the same, and to push each from the other's text
// would be to unlearn the class, so q_i spreads evenly over the pairs whose label is that of pair i
// (Yang et al., 2022, 2204.03610, equations 2 and 3). Where all labels differ it is CLIP's.
//
// f32 or f64; labels: s64 [N], N >= 1. Differentiable in images, texts and scale.
Tensor contrastive_loss(const Tensor& images, const Tensor& texts, const Tensor& labels,
                        const Tensor& scale);

}  // namespace espalier
