// A steady training step takes nothing from the heap: neither through operator new nor as blocks of
// storage.
//
// On one thread that is exact. Several threads may come to overlap deeper than ever before: small
// blocks of one size are made in slabs that double what there is, so that each of the twelve sizes
// up to 64 KiB can grow once more for every doubling of the threads, and then never again.
#include <cmath>
#include <filesystem>

#include "engine/ops/cross_entropy.h"
#include "engine/ops/view.h"
#include "nn/optim/adamw.h"
#include "nn/optim/ema.h"
#include "nn/train_step.h"
#include "nn/trainer.h"
#include "tests/allocations.h"
#include "tests/gradient_test.h"
#include "tests/temporary_folder.h"

namespace espalier::test {
namespace {

int64_t most_late_slabs(int threads) {
  constexpr int64_t sizes = 12;
  return sizes * static_cast<int64_t>(std::ceil(std::log2(threads)));
}

size_t blocks_of_storage() {
  const MemoryStats stats = memory_stats();
  return stats.in_use + stats.cached;
}

// A model of every layer that training knows, its optimiser and one batch.
class Training {
 public:
  explicit Training(const ViTConfig& config, Precision precision)
      : model_(config, generator_),
        optimizer_(model_.named_parameters()),
        average_(optimizer_.arena(), 0.9),
        images_(normal(config.batch_shape(32), generator_)),
        labels_(Tensor::zeros({32}, DType::s64)),
        precision_(precision) {}

  void step() {
    optimizer_.zero_grad();
    accumulate_gradients(32, 8, 1, optimizer_.arena().gradients(),
                         [&](int64_t begin, int64_t end) {
                           const Tensor logits = model_(slice(images_, 0, begin, end));
                           return cross_entropy(logits, slice(labels_, 0, begin, end), 0.1);
                         },
                         {.precision = precision_});
    optimizer_.clip_grad_norm(1);
    optimizer_.step(&average_);
  }

 private:
  Generator generator_{1};
  const VisionTransformer model_;
  AdamW optimizer_;
  WeightAverage average_;
  const Tensor images_, labels_;
  const Precision precision_;
};

ViTConfig small_model(const char* tokenizer, const char* pooling) {
  return {.image_size = 8,
          .tokenizer = tokenizer,
          .conv_channels = {4},
          .width = 16,
          .depth = 2,
          .heads = 2,
          .mlp_hidden = 16,
          .pooling = pooling,
          .dropout = 0.1,
          .drop_path = 0.1};
}

}  // namespace

TEST_CASE("a steady training step takes nothing from the heap") {
  const int before_threads = num_threads();
  for (int threads : {1, 3})
    for (const Precision precision : {Precision::f32, Precision::bf16})
      for (const ViTConfig& config :
           {small_model("conv", "sequence"), small_model("patch", "class")}) {
        INFO(threads, " threads, bf16 ", precision == Precision::bf16, ", ", config.tokenizer);
        set_num_threads(threads);
        Training training(config, precision);
        for (int i = 0; i < 10; ++i) training.step();
        const int64_t allocated = allocations();
        const size_t blocks = blocks_of_storage();
        for (int i = 0; i < 5; ++i) training.step();
        CHECK(allocations() - allocated <= most_late_slabs(threads));
        if (threads == 1) CHECK(blocks_of_storage() == blocks);
      }
  set_num_threads(before_threads);
}

TEST_CASE("the steps of a training run take nothing from the heap, batches included") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.file("run/checkpoints"));
  TrainConfig config;
  config.model = small_model("conv", "sequence");
  config.model.classes = 2;
  config.epochs = 1;
  config.batch_size = 16;
  config.chunk_size = 8;
  config.validation = 0;
  config.augmentation = {.flip = 0.5,
                         .shift = 1,
                         .erase = 0.2,
                         .erase_min = 1,
                         .erase_max = 3,
                         .mixup = 0.2,
                         .cutmix = 0.5};
  ImageDataset images{Tensor::zeros({1600, 8, 8, 1}, DType::u8),
                      Tensor::zeros({1600}, DType::s64),
                      {"one", "other"}};
  ImageDataset none{Tensor::empty({0, 8, 8, 1}, DType::u8), Tensor::empty({0}, DType::s64),
                    images.class_names};
  const int before_threads = num_threads();
  set_num_threads(1);
  for (const char* optimizer : {"adamw", "muon"}) {
    INFO(optimizer);
    config.optimizer = optimizer;
    Trainer trainer(config, images, none, folder.file("run"));
    std::vector<int64_t> counts;
    counts.reserve(200);
    trainer.run({.step = [&](const StepReport&) { counts.push_back(allocations()); }});
    REQUIRE(counts.size() == 100);
    CHECK(counts[98] - counts[20] <= most_late_slabs(2));  // the loader has a thread of its own
  }
  set_num_threads(before_threads);
}

}  // namespace espalier::test
