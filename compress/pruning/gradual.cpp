#include "compress/pruning/gradual.h"

namespace espalier {

Shrinking gradual_pruning(const VisionTransformer& original, const PruneOptions& options,
                          const GradualOptions& schedule, const ImageDataset& samples) {
  prune_model(original, options, samples);
  PruneOptions how = options;
  how.selection.whole = whole_cost(original, options);
  const double last = options.selection.fraction;
  const int64_t times = schedule.times;
  return {.times = times,
          .share = schedule.share,
          .next = [how, last, times, samples](const VisionTransformer& model, int64_t i) mutable {
            how.selection.fraction = cubic_sparsity(i, 0, times, 0, last);
            return prune_model(model, how, samples);
          }};
}

}  // namespace espalier
