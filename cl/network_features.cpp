#include "cl/network_features.h"

#include <algorithm>
#include <cstring>

#include "engine/autograd.h"
#include "engine/ops/binary.h"
#include "engine/ops/cat.h"
#include "engine/ops/matmul.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "nn/evaluate.h"

namespace espalier {
namespace {

// Runs `stage` over chunks of the rows of x, which it is given on the CPU. Chunks depend on the
// configuration alone.
Tensor in_chunks(const Learner& learner, const Tensor& x,
                 FunctionRef<Tensor(const Tensor&)> stage) {
  const int64_t rows = x.size(0), size = learner.config.chunk_size;
  std::vector<Tensor> parts(static_cast<size_t>((rows + size - 1) / size));
  const EvaluationScope without_dropout(*learner.network);
  for_each_chunk(learner.device, static_cast<int64_t>(parts.size()), [&](int64_t i) {
    const NoGradGuard guard;
    const Tensor made = stage(slice(x, 0, i * size, std::min(rows, (i + 1) * size)));
    parts[static_cast<size_t>(i)] = made.to(Device::cpu());
  });
  return cat(parts, 0);
}

}  // namespace

Tensor images_of(const Learner& learner, const std::vector<int64_t>& samples,
                 const std::vector<int64_t>& slots) {
  const ImageInput input = learner.network->input();
  const int64_t values = input.height * input.width * input.channels;
  const Tensor images = Tensor::empty({static_cast<int64_t>(samples.size() + slots.size()),
                                       input.height, input.width, input.channels},
                                      DType::u8);
  uint8_t* to = images.data<uint8_t>();
  for (const int64_t sample : samples) {  // none behind the last task
    const uint8_t* from = learner.current().train.images.data<uint8_t>();
    std::memcpy(to, from + sample * values, static_cast<size_t>(values));
    to += values;
  }
  for (const int64_t slot : slots) {
    learner.memory->read_pixels(slot, to);
    to += values;
  }
  return images;
}

void for_each_chunk(Device device, int64_t count, FunctionRef<void(int64_t i)> f) {
  if (!device.on_gpu()) return parallel_for(count, 1, [&](int64_t i, int64_t) { f(i); });
  for (int64_t i = 0; i < count; ++i) f(i);
}

Tensor run_frozen(const Learner& learner, const Tensor& x, int64_t begin, int64_t end) {
  return in_chunks(learner, x, [&](const Tensor& chunk) {
    return learner.network->run_stages(chunk.to(learner.device), begin, end);
  });
}

Tensor features_of(const Learner& learner, const Tensor& images) {
  return in_chunks(learner, images, [&](const Tensor& chunk) {
    const Tensor images = normalized(chunk, learner.network->input());
    return learner.network->features(images.to(learner.device));
  });
}

Tensor nearness(const Tensor& a, const Tensor& b) {
  return sub(mul(matmul(a, transpose(b, 0, 1)), 2), 2);
}

Tensor logits_of_features(const Learner& learner, const Tensor& features) {
  const int64_t stages = learner.network->stages();
  return run_frozen(learner, features, stages - 1, stages);
}

}  // namespace espalier
