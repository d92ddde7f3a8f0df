// A small encoder of short texts.
#pragma once

#include "nn/layers.h"

namespace espalier {

// From the words of texts, f32 [M, words] as Vocabulary::word_shares() gives them, to embeddings
// [M, out] of unit length: the mean e of the words' vectors (rows of "words.weight"), then
//
//   unit_rows(project(e + mlp(e)))
//
// There is no attention and no order of words: of a few dozen texts an encoder would learn the
// sentences by heart, while a text of a class that was never seen has to be understood from its
// words, met before in other company. There is no normalisation of e either, so that words which no
// training has touched, near zero from the start, say next to nothing.
class TextEncoder : public Module {
 public:
  struct Options {
    int64_t width = 64, hidden = 128;  // of a word's vector, of the MLP between its two layers
  };
  TextEncoder(int64_t words, int64_t out, const Options& options, Generator& generator);
  Tensor forward(const Tensor& word_shares) const override;

 private:
  const Embedding& words_;
  const Mlp& mlp_;
  const Linear& project_;
};

}  // namespace espalier
