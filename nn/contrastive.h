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
//   1/2 mean_i CE(s u_i V^T, q_i) + 1/2 mean_j CE(s v_j U^T, r_j)
//
// CE is cross-entropy over the batch. CLIP's targets are the pair itself alone. Of labelled images
// a batch has several of one class, and texts that are as true of the one as of the other; to push
// an image from what is true of it would be to unlearn it. So the targets spread evenly over what
// belongs together (Yang et al., 2022, 2204.03610, equations 2 and 3, for labels): `matches` [N, N]
// is 1 where text j is true of image i, 0 elsewhere, q_i is its row i and r_j its column j, scaled
// to a sum of 1. Where it is the identity, the loss is CLIP's.
//
// f32 or f64, all of one dtype, N >= 1; every row and column of matches has a 1. Differentiable in
// images, texts and scale.
Tensor contrastive_loss(const Tensor& images, const Tensor& texts, const Tensor& matches,
                        const Tensor& scale);

}  // namespace espalier
