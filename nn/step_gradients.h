// The gradients of a training's batches, one after another.
#pragma once

#include <optional>
#include <vector>

#include "engine/recycled.h"
#include "nn/train_step.h"

namespace espalier {

// As accumulate_gradients(). On a GPU the second batch of a kind is recorded, behind a first that
// was given kernel by kernel; from then on a batch is copied to where the recording reads it and
// launched as a whole, with the same bits. A kind is what a recording holds fast: shapes and dtypes
// of the batch, sizes, options.
class StepGradients {
 public:
  // Of the samples [begin, end) of `batch`.
  using BatchLoss =
      FunctionRef<Tensor(const RecycledVector<Tensor>& batch, int64_t begin, int64_t end)>;

  explicit StepGradients(bool recorded) : recorded_(recorded) {}

  // Along the first dimension of each tensor of `batch` stand its samples.
  double accumulate(const RecycledVector<Tensor>& batch, int64_t chunk_size, uint64_t seed,
                    const Tensor& gradients, BatchLoss loss, const GradientOptions& options);
  // When what `loss` reads beside the batch, or what it does, is no longer what it was.
  void forget() noexcept { kind_.reset(), graph_.reset(); }
  // Batches that were launched as a whole.
  int64_t launched() const noexcept { return launched_; }

 private:
  struct Kind {
    std::vector<std::pair<Shape, DType>> batch;
    int64_t chunk_size;
    const void* arena;
    Precision precision;
    double loss_scale;
    bool operator==(const Kind&) const = default;
  };
  struct Graph {
    RecycledVector<Tensor> batch;  // that it reads
    RecordedGradients gradients;
  };

  bool recorded_;
  int64_t launched_ = 0;
  std::optional<Kind> kind_{};  // of the last batch
  std::optional<Graph> graph_{};
};

}  // namespace espalier
