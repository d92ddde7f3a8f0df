// Zeros in place of single weights, for research: no kernel here skips one, so that such a model is
// as large and as slow as it was. The matrices keep their shapes; compress/pruning/prune.h makes
// them smaller.
#pragma once

#include <string>

#include "compress/pruning/gradual.h"

namespace espalier {

enum class SparsePattern {
  anywhere,    // the smallest weights of linear layers and convolutions (Han et al., 1506.02626)
  two_of_four  // the two smallest of each four inputs that follow each other, in linear layers of
               // inputs by the four: what the sparse tensor cores of GPUs skip (2104.08378)
};

struct SparseOptions {
  SparsePattern pattern = SparsePattern::anywhere;
  double fraction = 0.5;              // of these weights, 0 up to 1; two_of_four is always half
  Ranking ranking = Ranking::global;  // all weights together, or the same share of each layer
  // The weights that those that stay go back to (lottery tickets), or null: of the same
  // configuration.
  const VisionTransformer* rewind = nullptr;
};

// The model with zeros for its smallest weights, in evaluation mode. Argument errors: a fraction
// out of range, a model to rewind to of another configuration.
std::unique_ptr<VisionTransformer> sparsify(const VisionTransformer& model,
                                            const SparseOptions& options);

// How many weights of linear layers and convolutions there are, and are zero.
struct WeightCount {
  int64_t weights = 0, zeros = 0;
};
WeightCount count_weights(const VisionTransformer& model);

// Trains a model whose zeros stay: weights that are zero at first are so after every step, and in
// what is saved of the averaged weights.
class SparseModel : public Trainable {
 public:
  explicit SparseModel(std::unique_ptr<VisionTransformer> model);
  std::string kind() const override { return "sparse"; }
  void prepare() override;

 private:
  struct Zeros {
    Tensor weight;
    std::vector<int64_t> at;
    Tensor mask;  // 0 there and 1 elsewhere, beside a weight on a GPU
    void set_on_gpu();
  };
  std::vector<Zeros> zeros_;
};

// For a Trainer of SparseModels: as gradual_pruning(), with more and more zeros, anywhere.
Shrinking gradual_zeros(const SparseOptions& options, const GradualOptions& schedule);

}  // namespace espalier
