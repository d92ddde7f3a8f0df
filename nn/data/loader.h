// Batches of a data set, made ahead of use by a thread of their own.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "engine/recycled.h"
#include "nn/data/augment.h"
#include "nn/data/dataset.h"

namespace espalier {

struct Batch {
  Tensor images;  // f32 [B, H, W, C], normalised
  // s64 [B], or f32 probabilities [B, classes] where mixup or CutMix acted.
  Tensor targets;
};

struct LoaderOptions {
  int64_t batch_size = 128;
  bool shuffle = true;
  bool drop_last = false;  // leave out a last batch that is short
  uint64_t seed = 0;
  Augmentation augmentation{};
  double mean = 0.2860, deviation = 0.3530;  // of pixels / 255
  Device device{};                           // that batches, made on the CPU, will be sent to
};

// Gives the batches of one epoch after another. A batch depends on (seed, epoch, index) alone, so
// an epoch can be entered anywhere and a resumed run sees what it would have seen.
class DataLoader {
 public:
  // Keeps a reference to `dataset`, which must outlive the loader.
  DataLoader(const ImageDataset& dataset, const LoaderOptions& options);
  ~DataLoader();
  DataLoader(const DataLoader&) = delete;
  DataLoader& operator=(const DataLoader&) = delete;

  int64_t batches() const noexcept;  // in an epoch

  // Starts making the batches of `epoch` from `first_batch` on; what was under way is dropped.
  void start(int64_t epoch, int64_t first_batch = 0);
  // The next batch, or nothing at the end of the epoch. Rethrows what the thread threw.
  std::optional<Batch> next();

  // The batch itself, on the caller's thread.
  Batch make(const std::vector<int64_t>& order, int64_t epoch, int64_t index) const;
  // The order of samples in an epoch.
  std::vector<int64_t> order(int64_t epoch) const;

 private:
  void fill(int64_t epoch, int64_t first_batch);
  void stop();

  static constexpr size_t ahead = 3;  // batches made before they are asked for

  const ImageDataset& dataset_;
  const LoaderOptions options_;
  std::thread thread_{};
  std::mutex mutex_{};
  std::condition_variable changed_{};
  std::deque<Batch, Recycled<Batch>> ready_{};
  std::exception_ptr error_{};
  bool stopping_ = false, finished_ = true;
};

}  // namespace espalier
