#include "nn/train_step.h"

#include <algorithm>

#include "engine/device_scope.h"
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

// What the chunks of one batch have in common.
struct Chunks {
  int64_t samples, size;
  uint64_t seed;
  const GradientOptions& options;
  ChunkLoss loss;

  int64_t count() const { return (samples + size - 1) / size; }
  double share(int64_t i) const {
    const int64_t begin = i * size, end = std::min(samples, begin + size);
    return static_cast<double>(end - begin) / static_cast<double>(samples);
  }
  // Adds the gradient of chunk i to the sink; its mean loss.
  Tensor run(int64_t i, const GradientSink& sink) const {
    const GeneratorScope generator(Generator(seed, static_cast<uint64_t>(i)));
    const PrecisionScope products(options.precision);
    const Tensor mean = loss(i * size, std::min(samples, (i + 1) * size));
    const DeviceScope there(mean.device());
    backward(mean,
             {.seed = Tensor::full(mean.shape(), share(i) * options.loss_scale), .sink = &sink});
    return mean;
  }
};

// Nobody waits for the GPU before all of them are under way.
double accumulate_on_gpu(const Chunks& chunks, const Tensor& gradients) {
  const GradientSink sink{gradients};
  RecycledVector<Tensor> means;
  for (int64_t i = 0; i < chunks.count(); ++i) means.push_back(chunks.run(i, sink).detach());
  if (chunks.options.meanwhile) chunks.options.meanwhile();
  double total = 0;
  for (int64_t i = 0; i < chunks.count(); ++i)
    total += chunks.share(i) * means[static_cast<size_t>(i)].item();
  return total;
}

}  // namespace

double accumulate_gradients(int64_t samples, int64_t chunk_size, uint64_t seed,
                            const Tensor& gradients, ChunkLoss loss,
                            const GradientOptions& options) {
  const Chunks chunks{samples, chunk_size, seed, options, loss};
  if (gradients.device().on_gpu()) return accumulate_on_gpu(chunks, gradients);
  const int64_t lane_count = std::min(chunks.count(), max_lanes);
  RecycledVector<Tensor> lanes(static_cast<size_t>(lane_count));
  RecycledVector<double> losses(static_cast<size_t>(chunks.count()));
  parallel_for(lane_count, 1, [&](int64_t lane, int64_t) {
    const GradientSink sink{Tensor::zeros({gradients.numel()})};
    lanes[static_cast<size_t>(lane)] = sink.arena;
    for (int64_t i = lane; i < chunks.count(); i += lane_count)
      losses[static_cast<size_t>(i)] = chunks.share(i) * chunks.run(i, sink).item();
  });
  add_lanes(lanes, gradients);
  double total = 0;
  for (double part : losses) total += part;
  return total;
}

}  // namespace espalier
