// Which parts of a picture a Vision Transformer's answer rests on.
#pragma once

#include "nn/vit.h"

namespace espalier {

// Attention rollout (Abnar and Zuidema, 2020, 2005.00928, section 3): what the head reads of the
// tokens, followed back through every block as A / 2 + I / 2, A the mean of the heads' attention
// weights. images: f32 [B, H, W, C], normalised; the result is f32 [B, grid, grid], whose entries
// are of the tokens in their places and add up to 1 for each image. A class token's own share is
// left out. Off the tape.
Tensor attention_map(const VisionTransformer& model, const Tensor& images);

}  // namespace espalier
