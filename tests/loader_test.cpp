// Batches, made ahead by a thread.
#include "nn/data/loader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace espalier::test {
namespace {

ImageDataset counted(int64_t samples) {
  ImageDataset dataset{Tensor::empty({samples, 4, 4, 1}, DType::u8),
                       Tensor::empty({samples}, DType::s64),
                       {"a", "b"}};
  for (int64_t i = 0; i < samples; ++i) {
    std::fill_n(dataset.images.data<uint8_t>() + i * 16, 16, static_cast<uint8_t>(i));
    dataset.labels.data<int64_t>()[i] = i % 2;
  }
  return dataset;
}

}  // namespace

TEST_CASE("a loader gives every sample once, in an order that seed and epoch decide") {
  const ImageDataset dataset = counted(23);
  DataLoader loader(dataset, {.batch_size = 5, .seed = 7, .mean = 0, .deviation = 1.0 / 255});
  const auto samples_of = [&](int64_t epoch, int64_t first) {
    std::vector<int64_t> seen;
    loader.start(epoch, first);
    while (const auto batch = loader.next())
      for (int64_t i = 0; i < batch->images.size(0); ++i) {
        seen.push_back(static_cast<int64_t>(batch->images.data<float>()[i * 16] + 0.5f));
        CHECK(batch->targets.data<int64_t>()[i] == seen.back() % 2);
      }
    return seen;
  };
  const auto first = samples_of(0, 0);
  auto sorted = first;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted.size() == 23);
  CHECK(std::unique(sorted.begin(), sorted.end()) == sorted.end());
  CHECK(samples_of(0, 0) == first);
  CHECK(samples_of(1, 0) != first);
  CHECK(samples_of(0, 3) == std::vector<int64_t>(first.begin() + 15, first.end()));
  loader.start(0);
  loader.next();  // and leave: the destructor must not wait for the rest
}

TEST_CASE("the strongest mixup that is permitted gives a batch, of halves") {
  const ImageDataset dataset = counted(8);
  const DataLoader loader(dataset, {.batch_size = 8, .augmentation = {.mixup = 100}});
  const Batch batch = loader.make(loader.order(0), 0, 0);
  REQUIRE(batch.targets.dtype() == DType::f32);
  const float* p = batch.targets.data<float>();
  for (int i = 0; i < 8; ++i, p += 2) {
    CHECK(p[0] + p[1] == doctest::Approx(1));
    // The weight of a pair of two classes is half, give or take six deviations of Beta(100, 100).
    const double of_other = std::min(p[0], p[1]);
    CHECK((of_other == 0 || of_other >= 0.5 - 6 * std::sqrt(1 / (4 * 201.0))));
  }
}

TEST_CASE("images are mixed in the first epochs alone where that is asked for") {
  const ImageDataset dataset = counted(8);
  for (const Augmentation& mixing : {Augmentation{.mixup = 1}, Augmentation{.cutmix = 1}}) {
    LoaderOptions options{.batch_size = 8, .augmentation = mixing};
    options.augmentation.mix_epochs = 2;
    const DataLoader loader(dataset, options);
    options.augmentation = {};
    const DataLoader plain(dataset, options);
    for (const int64_t epoch : {0, 1, 2, 3}) {
      INFO("epoch ", epoch);
      const Batch batch = loader.make(loader.order(epoch), epoch, 0);
      CHECK(batch.targets.dtype() == (epoch < 2 ? DType::f32 : DType::s64));
      const Batch unmixed = plain.make(plain.order(epoch), epoch, 0);
      if (epoch >= 2) CHECK(batch.images.to_vector() == unmixed.images.to_vector());
    }
  }
}

}  // namespace espalier::test
