#include "nn/step_gradients.h"

#include "engine/cuda/cublas.h"

namespace espalier {

double StepGradients::accumulate(const RecycledVector<Tensor>& batch, int64_t chunk_size,
                                 uint64_t seed, const Tensor& gradients, BatchLoss loss,
                                 const GradientOptions& options) {
  const int64_t samples = batch.at(0).size(0);
  const auto loss_of = [&](const RecycledVector<Tensor>& tensors) {
    return [&, loss](int64_t begin, int64_t end) { return loss(tensors, begin, end); };
  };
  const bool own_products = gpu_gemm() == GpuGemm::own;  // cuBLAS is given its products one by one
  if (!recorded_ || !own_products || !gradients.device().on_gpu())
    return accumulate_gradients(samples, chunk_size, seed, gradients, loss_of(batch), options);
  Kind kind{{}, chunk_size, gradients.storage()->data(), options.precision, options.loss_scale};
  for (const Tensor& tensor : batch) kind.batch.emplace_back(tensor.shape(), tensor.dtype());
  if (!(kind_ == kind)) {
    graph_.reset();
    kind_ = std::move(kind);
    return accumulate_gradients(samples, chunk_size, seed, gradients, loss_of(batch), options);
  }
  if (!graph_) {
    RecycledVector<Tensor> fixed;
    for (const Tensor& tensor : batch)
      fixed.push_back(Tensor::empty(tensor.shape(), tensor.dtype(), gradients.device()));
    RecordedGradients recorded(samples, chunk_size, gradients, loss_of(fixed), options);
    graph_.emplace(Graph{std::move(fixed), std::move(recorded)});
  }
  for (size_t i = 0; i < batch.size(); ++i) graph_->batch[i].copy_(batch[i]);
  ++launched_;
  return graph_->gradients(seed, options.meanwhile);
}

}  // namespace espalier
