// Four classes of stripes in two tasks, and a network that learns them in a moment.
#pragma once

#include "cl/continual_trainer.h"
#include "engine/random.h"

namespace espalier::test {

// Stripes along rows or columns, of period 4 or 2: the label.
inline ImageDataset four_stripes(int64_t samples, uint64_t seed) {
  ImageDataset dataset{Tensor::empty({samples, 8, 8, 1}, DType::u8),
                       Tensor::empty({samples}, DType::s64),
                       {"rows", "columns", "thin rows", "thin columns"}};
  Generator generator(seed);
  for (int64_t i = 0; i < samples; ++i) {
    const int64_t label = i % 4, phase = generator.below(4), period = label < 2 ? 4 : 2;
    dataset.labels.data<int64_t>()[i] = label;
    for (int64_t y = 0; y < 8; ++y)
      for (int64_t x = 0; x < 8; ++x) {
        const bool light = ((label % 2 ? x : y) + phase) % period < period / 2;
        dataset.images.data<uint8_t>()[(i * 8 + y) * 8 + x] =
            static_cast<uint8_t>((light ? 150 : 0) + generator.below(100));
      }
  }
  return dataset;
}

inline LearnConfig small_learning(const std::string& method = "er") {
  LearnConfig config;
  config.method = method;
  config.hidden = {32, 32};
  config.stream.tasks = 2;
  config.batch_size = 16;
  config.chunk_size = 8;
  config.replay_batch = 16;
  config.memory_samples = 40;
  config.epochs = 3;
  config.checkpoint_steps = 3;
  return config;
}

inline Stream small_stream(const LearnConfig& config) {
  return stream_of(config, four_stripes(640, 1), four_stripes(160, 2));
}

// A learner at the start, with an empty memory and no optimiser, method or selection.
inline Learner small_learner(const LearnConfig& config, const RecordLayout& layout,
                             int64_t capacity) {
  Learner learner{config, small_stream(config), nullptr, nullptr, std::nullopt, nullptr};
  learner.network = make_network(config, learner.stream);
  learner.memory.emplace(layout, capacity);
  return learner;
}

// Records of a class.
inline int64_t count_of(const ReplayMemory& memory, int64_t label) {
  int64_t count = 0;
  for (int64_t slot = 0; slot < memory.size(); ++slot) count += memory.label(slot) == label;
  return count;
}

}  // namespace espalier::test
