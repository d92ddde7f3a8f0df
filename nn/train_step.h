// The gradient of a batch, computed in fixed, cache-resident chunks.
#pragma once

#include <functional>

#include "engine/autograd.h"
#include "engine/precision.h"
#include "engine/random.h"

namespace espalier {

// What a chunk contributes: a mean loss over its samples (one element, on the tape).
using ChunkLoss = FunctionRef<Tensor(int64_t begin, int64_t end)>;

struct GradientOptions {
  Precision precision = Precision::f32;  // of the products
  // Gradients are those of so many times the mean loss. A power of two changes nothing but their
  // exponents, as long as none leaves the range of what it passes through.
  double loss_scale = 1;
  // Called once on a GPU, when all is under way there and before anybody waits for it.
  std::function<void()> meanwhile = nullptr;
};

// Splits `samples` into chunks of `chunk_size` and adds the gradient of the mean loss over all of
// them to `gradients`, the flat arena that every parameter's arena_offset() points into. Chunks run
// on all threads; chunk i draws its random numbers from stream i of `seed`. Chunks go round over a
// fixed number of partial arenas that are summed in order, so the result depends on the batch and
// the chunk size alone, never on threads. On a GPU, where the arena lies there, chunks run one
// after another and add to it in their order. Returns the mean loss.
double accumulate_gradients(int64_t samples, int64_t chunk_size, uint64_t seed,
                            const Tensor& gradients, ChunkLoss loss,
                            const GradientOptions& options = {});

// The same on a GPU as work that may be recorded (engine/launch_graph.h): what changes from one
// batch to the next is read from the GPU's memory, and nobody waits.
class GradientsByNumbers {
 public:
  GradientsByNumbers(int64_t samples, int64_t chunk_size, Precision precision);

  // What changes takes so many doubles.
  int64_t numbers() const noexcept;
  void write_numbers(uint64_t seed, double loss_scale, double* to) const;
  // As accumulate_gradients(), by `numbers` on the GPU of `gradients`, f64 and contiguous. Adds the
  // mean loss to the one there.
  void run(const Tensor& numbers, const Tensor& gradients, ChunkLoss loss, double* mean_loss) const;

 private:
  int64_t samples_, chunk_size_;
  Precision precision_;
};

}  // namespace espalier
