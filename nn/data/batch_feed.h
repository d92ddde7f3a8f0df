// The batches of a loader, on the device that trains on them.
#pragma once

#include "engine/staging.h"
#include "nn/data/loader.h"

namespace espalier {

struct FedBatch {
  Batch here, there;  // as the loader made it, and on the device: the same where that is the CPU
};

// On a GPU the next batch can be under way before it is asked for.
class BatchFeed {
 public:
  // Keeps a reference to `dataset`, which must outlive the feed.
  BatchFeed(const ImageDataset& dataset, const LoaderOptions& options)
      : device_(options.device), loader_(dataset, options) {}

  int64_t batches() const noexcept { return loader_.batches(); }  // in an epoch

  // As DataLoader::start(). What was sent already is dropped.
  void start(int64_t epoch, int64_t first_batch = 0) {
    ahead_.reset();
    loader_.start(epoch, first_batch);
  }

  // The next batch, or nothing at the end of the epoch.
  std::optional<FedBatch> next() {
    if (!ahead_) send();
    return std::exchange(ahead_, std::nullopt);
  }

  // Sends a GPU the batch that next() will give, for when there is something else to wait for.
  void send_ahead() {
    if (device_.on_gpu() && !ahead_) send();
  }

 private:
  void send() {
    if (const std::optional<Batch> batch = loader_.next())
      ahead_ = {*batch, {sent_to(device_, batch->images), sent_to(device_, batch->targets)}};
  }

  Device device_;
  DataLoader loader_;
  std::optional<FedBatch> ahead_{};
};

}  // namespace espalier
