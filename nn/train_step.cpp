#include "nn/train_step.h"

#include <algorithm>

#include "engine/dispatch.h"
#include "engine/parallel.h"
#include "kernels/binary/binary.h"

namespace espalier {
namespace {

// As many threads as this work at once; more would only make more partial sums to add up.
constexpr int64_t max_lanes = 8;

// sum += lanes[0] + lanes[1] + …, in that order for each element.
void add_lanes(const RecycledVector<Tensor>& lanes, const Tensor& sum) {
  float* total = sum.data<float>();
  const auto& add = kernel(axpby_kernels<float>());
  parallel_for(sum.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
    for (const Tensor& lane : lanes)
      add.run(1, lane.data<float>() + begin, 1, total + begin, end - begin);
  });
}

}  // namespace

double accumulate_gradients(int64_t samples, int64_t chunk_size, uint64_t seed,
                            const Tensor& gradients, ChunkLoss loss, Precision precision) {
  const int64_t chunks = (samples + chunk_size - 1) / chunk_size;
  const int64_t lane_count = std::min(chunks, max_lanes);
  RecycledVector<Tensor> lanes(static_cast<size_t>(lane_count));
  RecycledVector<double> losses(static_cast<size_t>(chunks));
  parallel_for(lane_count, 1, [&](int64_t lane, int64_t) {
    const GradientSink sink{Tensor::zeros({gradients.numel()})};
    lanes[static_cast<size_t>(lane)] = sink.arena;
    for (int64_t chunk = lane; chunk < chunks; chunk += lane_count) {
      const int64_t begin = chunk * chunk_size, end = std::min(samples, begin + chunk_size);
      const double share = static_cast<double>(end - begin) / static_cast<double>(samples);
      const GeneratorScope generator(Generator(seed, static_cast<uint64_t>(chunk)));
      const PrecisionScope products(precision);
      const Tensor mean = loss(begin, end);
      losses[static_cast<size_t>(chunk)] = share * mean.item();
      backward(mean, {.seed = Tensor::full(mean.shape(), share), .sink = &sink});
    }
  });
  add_lanes(lanes, gradients);
  double total = 0;
  for (double part : losses) total += part;
  return total;
}

}  // namespace espalier
