#include "nn/train_step.h"

#include <algorithm>
#include <new>

#include "engine/device_scope.h"
#include "engine/dispatch.h"
#include "engine/ops/binary.h"
#include "engine/ops/cast.h"
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

struct BatchSplit {
  int64_t samples, size;

  int64_t count() const { return (samples + size - 1) / size; }
  double share(int64_t i) const {
    const int64_t begin = i * size, end = std::min(samples, begin + size);
    return static_cast<double>(end - begin) / static_cast<double>(samples);
  }
};

// What the chunks of one batch have in common.
struct Chunks : BatchSplit {
  Precision precision;
  ChunkLoss loss;

  // Adds the gradient of chunk i to the sink; its mean loss. What it draws comes from `generator`,
  // and `scaled_share` makes what a loss counts, of the shape of this one.
  Tensor run(int64_t i, const GradientSink& sink, Generator generator,
             FunctionRef<Tensor(const Tensor& mean)> scaled_share) const {
    const GeneratorScope random(generator);
    const PrecisionScope products(precision);
    const Tensor mean = loss(i * size, std::min(samples, (i + 1) * size));
    const DeviceScope there(mean.device());
    backward(mean, {.seed = scaled_share(mean), .sink = &sink});
    return mean.detach();
  }
  // By a seed and a scale that the processor has.
  Tensor run(int64_t i, const GradientSink& sink, uint64_t seed, double loss_scale) const {
    return run(i, sink, Generator(seed, static_cast<uint64_t>(i)), [&](const Tensor& mean) {
      return Tensor::full(mean.shape(), share(i) * loss_scale);
    });
  }
};

// *total += share mean, in double, on the GPU where both lie and kernels run. It rounds as the
// processor would.
void add_share(double share, const Tensor& mean, double* total) {
  const Tensor part = mul(to(mean, DType::f64), share);
  kernel(axpby_kernels<double>()).run(1, part.data<double>(), 1, total, 1);
}

// Nobody waits for the GPU before all of them are under way.
double accumulate_on_gpu(const Chunks& chunks, uint64_t seed, const Tensor& gradients,
                         const GradientOptions& options) {
  const GradientSink sink{gradients};
  const Tensor total = Tensor::zeros({1}, DType::f64).to(gradients.device());
  for (int64_t i = 0; i < chunks.count(); ++i) {
    const Tensor mean = chunks.run(i, sink, seed, options.loss_scale);  // a loss may read the CPU's
    const DeviceScope there(gradients.device());
    add_share(chunks.share(i), mean, total.data<double>());
  }
  if (options.meanwhile) options.meanwhile();
  return total.item();
}

}  // namespace

double accumulate_gradients(int64_t samples, int64_t chunk_size, uint64_t seed,
                            const Tensor& gradients, ChunkLoss loss,
                            const GradientOptions& options) {
  const Chunks chunks{{samples, chunk_size}, options.precision, loss};
  if (gradients.device().on_gpu()) return accumulate_on_gpu(chunks, seed, gradients, options);
  const int64_t lane_count = std::min(chunks.count(), max_lanes);
  RecycledVector<Tensor> lanes(static_cast<size_t>(lane_count));
  RecycledVector<double> losses(static_cast<size_t>(chunks.count()));
  parallel_for(lane_count, 1, [&](int64_t lane, int64_t) {
    const GradientSink sink{Tensor::zeros({gradients.numel()})};
    lanes[static_cast<size_t>(lane)] = sink.arena;
    for (int64_t i = lane; i < chunks.count(); i += lane_count)
      losses[static_cast<size_t>(i)] =
          chunks.share(i) * chunks.run(i, sink, seed, options.loss_scale).item();
  });
  add_lanes(lanes, gradients);
  double total = 0;
  for (double part : losses) total += part;
  return total;
}

GradientsByNumbers::GradientsByNumbers(int64_t samples, int64_t chunk_size, Precision precision)
    : samples_(samples), chunk_size_(chunk_size), precision_(precision) {}

int64_t GradientsByNumbers::numbers() const noexcept {
  return 1 + BatchSplit{samples_, chunk_size_}.count();
}

void GradientsByNumbers::write_numbers(uint64_t seed, double loss_scale, double* to) const {
  static_assert(sizeof seed == sizeof(double));
  new (to) uint64_t(seed);
  const BatchSplit split{samples_, chunk_size_};
  for (int64_t i = 0; i < split.count(); ++i) to[1 + i] = split.share(i) * loss_scale;
}

void GradientsByNumbers::run(const Tensor& numbers, const Tensor& gradients, ChunkLoss loss,
                             double* mean_loss) const {
  const DeviceScope there(gradients.device());
  const auto* seed = reinterpret_cast<const uint64_t*>(numbers.data<double>());
  const Chunks chunks{{samples_, chunk_size_}, precision_, loss};
  const GradientSink sink{gradients};
  for (int64_t i = 0; i < chunks.count(); ++i) {
    const auto scaled_share = [&](const Tensor& mean) {
      const Tensor at =
          numbers.as_strided(mean.shape(), mean.strides(), numbers.storage_offset() + 1 + i);
      return to(at, mean.dtype());
    };
    const Generator generator = Generator::of_seed_at(seed, static_cast<uint64_t>(i));
    add_share(chunks.share(i), chunks.run(i, sink, generator, scaled_share), mean_loss);
  }
}

}  // namespace espalier
