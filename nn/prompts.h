// Learning to prompt (Wang et al., 2021, 2112.08654, section 4): a Vision Transformer stays as it
// is, and reads beside an image's tokens a few prompts out of a pool, which learn. Which ones says
// a query, the features q(x) that the network makes of the image without prompts: the `chosen` of
// them whose keys are nearest to it,
//
//   argmin over s_1 ... s_N of  sum_i gamma(q(x), k_{s_i}),   gamma = 1 - cosine   (equation 3)
//
// The head reads what the network's own pooling makes of all tokens, since it has learned to; the
// paper, under a new head, averages the prompts' outputs.
#pragma once

#include "nn/optim/parameter_arena.h"
#include "nn/vit.h"

namespace espalier {

struct PromptOptions {
  int64_t pool = 10;   // prompts
  int64_t length = 4;  // tokens of each
  int64_t chosen = 3;  // for an image
};

// Stage 0 makes of images the tokens with the query in front, [B, 1 + T, D]; stage 1 puts the
// chosen prompts in the query's place (behind a class token, where there is one), [B, N L + T, D];
// the others are those of the network after its first.
class PromptedTransformer : public StagedModule {
 public:
  // Parameters "keys" [pool, D], "prompts" [pool, L, D] and the network's under "trunk.". Argument
  // errors: no network, a number below 1, more chosen than there are.
  PromptedTransformer(std::unique_ptr<VisionTransformer> trunk, const PromptOptions& options,
                      Generator& generator);
  ImageInput input() const override { return trunk_.input(); }
  int64_t classes() const override { return trunk_.classes(); }
  int64_t stages() const override { return trunk_.stages() + 1; }
  int64_t stage_of(const std::string& parameter) const override;
  Tensor run_stages(const Tensor& x, int64_t begin, int64_t end) const override;

  // Of what enters stage 1: the prompts of each row, nearest first, those with the smaller index
  // first among equals: s64 [B, chosen].
  Tensor choice(const Tensor& x) const;
  // The mean over rows of sum_i gamma(q(x), k_{s_i}), one element on the tape: it pulls the chosen
  // keys to their queries (equation 5, without lambda).
  Tensor pull(const Tensor& x) const;

  const VisionTransformer& trunk() const { return trunk_; }
  const PromptOptions options;

 private:
  Tensor stage(const Tensor& x, int64_t i) const;

  const VisionTransformer& trunk_;

 public:
  const Tensor keys, prompts;
};

// For the optimiser: keys, prompts and the head learn, all else is frozen.
ParameterOptions prompts_and_head(const std::string& name, const Tensor& parameter);

}  // namespace espalier
