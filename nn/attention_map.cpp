#include "nn/attention_map.h"

#include "engine/autograd.h"
#include "engine/ops/binary.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduce.h"
#include "engine/ops/view.h"

namespace espalier {

Tensor attention_map(const VisionTransformer& model, const Tensor& images) {
  const NoGradGuard off;
  const ViTConfig& config = model.config;
  std::vector<Tensor> entering = {model.run_stages(images, 0, 1)};  // each block, and the pooling
  for (int64_t i = 0; i < config.depth; ++i)
    entering.push_back(model.run_stages(entering.back(), i + 1, i + 2));
  Tensor share = model.pooling_weights(entering.back());  // [B, 1, T]
  for (int64_t i = config.depth; i-- > 0;) {
    const Tensor attended =
        matmul(share, model.attention_weights(entering[static_cast<size_t>(i)], i));
    share = (share + attended) * 0.5;
  }
  const int64_t grid = config.grid();
  const Tensor of_patches = slice(share, 2, config.tokens() - grid * grid, config.tokens());
  return reshape(of_patches / sum(of_patches, {2}, true), {images.size(0), grid, grid});
}

}  // namespace espalier
