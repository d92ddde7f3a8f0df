#include "nn/contrastive.h"

#include "engine/op.h"
#include "engine/ops/binary.h"
#include "engine/ops/cast.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/matmul.h"
#include "engine/ops/reduce.h"
#include "engine/ops/unary.h"
#include "engine/ops/view.h"

namespace espalier {
namespace {

// q [N, N]: 1 / (pairs of that label) where labels agree, else 0. It is its own transpose.
Tensor same_label(const Tensor& labels, DType dtype) {
  const int64_t N = labels.size(0);
  const int64_t* label = labels.data<int64_t>();
  const Tensor q = Tensor::zeros({N, N}, DType::f64);
  for (int64_t i = 0; i < N; ++i) {
    double same = 0;
    for (int64_t j = 0; j < N; ++j) same += label[i] == label[j];
    for (int64_t j = 0; j < N; ++j)
      if (label[i] == label[j]) q.data<double>()[i * N + j] = 1 / same;
  }
  return to(q, dtype);
}

}  // namespace

Tensor unit_rows(const Tensor& x) {
  return div(x, maximum(sqrt(sum(square(x), {1}, true)), 1e-12));
}

Tensor contrastive_loss(const Tensor& images, const Tensor& texts, const Tensor& labels,
                        const Tensor& scale) {
  constexpr const char* name = "contrastive_loss";
  check_floating_point(name, "images", images);
  check_shape(name, "texts", texts, images.shape());
  check_dtype(name, "labels", labels, DType::s64);
  check_shape(name, "labels", labels, {images.size(0)});
  check_shape(name, "scale", scale, {1});
  const Tensor similar = mul(matmul(images, transpose(texts, 0, 1)), scale);
  const Tensor q = same_label(contiguous(labels), images.dtype());
  return mul(add(cross_entropy(similar, q), cross_entropy(contiguous(transpose(similar, 0, 1)), q)),
             0.5);
}

}  // namespace espalier
