#include "nn/text_encoder.h"

#include "engine/ops/binary.h"
#include "engine/ops/matmul.h"
#include "nn/contrastive.h"

namespace espalier {

TextEncoder::TextEncoder(int64_t words, int64_t out, const Options& options, Generator& generator)
    : words_(
          register_module("words", std::make_unique<Embedding>(words, options.width, generator))),
      mlp_(register_module("mlp",
                           std::make_unique<Mlp>(options.width, options.hidden, 0, generator))),
      project_(
          register_module("project", std::make_unique<Linear>(options.width, out, generator))) {}

Tensor TextEncoder::forward(const Tensor& word_shares) const {
  const Tensor mean = matmul(word_shares, words_.weight);
  return unit_rows(project_(add(mean, mlp_(mean))));
}

}  // namespace espalier
