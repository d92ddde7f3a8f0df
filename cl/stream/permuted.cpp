#include "cl/stream/kinds.h"
#include "engine/random.h"

namespace espalier {

Stream permuted_stream(const StreamOptions& options, const ImageDataset& train,
                       const ImageDataset& test) {
  Stream stream = stream_of_domains("permuted", options, train, test);
  const int64_t channels = train.images.size(3);
  const int64_t pixels = train.images.size(1) * train.images.size(2);
  for (int64_t task = 1; task < options.tasks; ++task) {
    Generator generator(options.seed, static_cast<uint64_t>(task));
    const std::vector<int64_t> source = permutation(pixels, generator);
    add_domain("permutation " + std::to_string(task), stream,
               [&](const uint8_t* from, uint8_t* to) {
                 for (int64_t i = 0; i < pixels; ++i)
                   for (int64_t c = 0; c < channels; ++c)
                     to[i * channels + c] = from[source[static_cast<size_t>(i)] * channels + c];
               });
  }
  return stream;
}

}  // namespace espalier
