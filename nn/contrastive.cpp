#include "nn/contrastive.h"

#include "engine/op.h"
#include "engine/ops/binary.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduce.h"
#include "engine/ops/unary.h"
#include "engine/ops/view.h"

namespace espalier {
Tensor unit_rows(const Tensor& x) {
  return div(x, maximum(sqrt(sum(square(x), {1}, true)), 1e-12));
}

Tensor contrastive_loss(const Tensor& images, const Tensor& texts, const Tensor& matches,
                        const Tensor& scale) {
  constexpr const char* name = "contrastive_loss";
  check_floating_point(name, "images", images);
  check_shape(name, "texts", texts, images.shape());
  check_same_dtype(name, "matches", matches, images);
  check_shape(name, "matches", matches, {images.size(0), images.size(0)});
  check_shape(name, "scale", scale, {1});
  const Tensor similar = mul(matmul(images, transpose(texts, 0, 1)), scale);
  const auto one_way = [](const Tensor& logits, const Tensor& belongs) {
    return cross_entropy(logits, div(belongs, sum(belongs, {1}, true)));
  };
  const auto other_way = [](const Tensor& x) { return contiguous(transpose(x, 0, 1)); };
  return mul(add(one_way(similar, matches), one_way(other_way(similar), other_way(matches))), 0.5);
}

}  // namespace espalier
