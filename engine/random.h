// Random numbers by counter: a generator is a seed, a stream and a position, and any position can
// be computed without the ones before it (kernels/philox). Results depend on nothing else.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/tensor.h"

namespace espalier {

class Generator {
 public:
  explicit Generator(uint64_t seed = 0, uint64_t stream = 0, uint64_t offset = 0) noexcept
      : seed_(seed), stream_(stream), offset_(offset) {}

  // Its seed is what stands at `seed` in a GPU's memory when the numbers are drawn: for launches
  // that are recorded and done again with other seeds. dropout() and drop_path() draw from it
  // there; the processor draws nothing from it.
  static Generator of_seed_at(const uint64_t* seed, uint64_t stream) noexcept {
    Generator generator(0, stream);
    generator.seed_at_ = seed;
    return generator;
  }
  const uint64_t* seed_at() const noexcept { return seed_at_; }  // null for any other

  uint64_t seed() const noexcept { return seed_; }
  uint64_t stream() const noexcept { return stream_; }
  uint64_t offset() const noexcept { return offset_; }

  // Sets `count` positions aside and returns the first.
  uint64_t reserve(int64_t count) noexcept {
    const uint64_t first = offset_;
    offset_ += static_cast<uint64_t>(count);
    return first;
  }

  uint32_t word() noexcept;               // 32 random bits
  double uniform() noexcept;              // in [0, 1), 32 bits of it
  int64_t below(int64_t bound) noexcept;  // in [0, bound), bound from 1 to 2^32
  // A draw from Beta(alpha, alpha), alpha > 0. It takes four words on average at most.
  double beta(double alpha) noexcept;

 private:
  uint64_t seed_, stream_, offset_;
  const uint64_t* seed_at_ = nullptr;
};

// An independent seed for one purpose of many under one user's seed.
uint64_t derive_seed(uint64_t seed, uint64_t purpose) noexcept;

// f32 tensors, the same for any number of threads.
Tensor uniform(const Shape& shape, Generator& generator);  // in [0, 1)
Tensor normal(const Shape& shape, Generator& generator, double deviation = 1, double mean = 0);
// Normal, with values beyond two deviations drawn again.
Tensor truncated_normal(const Shape& shape, double deviation, Generator& generator);

// The numbers 0 to count - 1 in random order (Fisher and Yates).
std::vector<int64_t> permutation(int64_t count, Generator& generator);

// `count` different ones of the numbers 0 to below `bound`, in random order, in time that grows
// with `count` alone. count is at most bound.
std::vector<int64_t> sample_without_replacement(int64_t bound, int64_t count, Generator& generator);

// The generator that ops such as dropout draw from on this thread. Its default is seed 0; a
// training step gives each chunk of a batch its own stream, so that threads do not matter.
Generator& current_generator() noexcept;

class GeneratorScope {
 public:
  explicit GeneratorScope(Generator generator) noexcept;
  ~GeneratorScope();
  GeneratorScope(const GeneratorScope&) = delete;
  GeneratorScope& operator=(const GeneratorScope&) = delete;

 private:
  Generator before_;
};

}  // namespace espalier
