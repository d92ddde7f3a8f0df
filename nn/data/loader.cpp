#include "nn/data/loader.h"

#include <algorithm>
#include <numeric>

#include "engine/error.h"
#include "engine/staging.h"

namespace espalier {
namespace {

enum LoaderPurpose : uint64_t { shuffling = 1, augmenting = 2, mixing = 3 };

Tensor one_hot(const Tensor& labels, int64_t classes, Device device) {
  const Tensor out = staging_tensor({labels.size(0), classes}, DType::f32, device);
  out.fill_(0);
  for (int64_t i = 0; i < labels.size(0); ++i)
    out.data<float>()[i * classes + labels.data<int64_t>()[i]] = 1;
  return out;
}

}  // namespace

DataLoader::DataLoader(const ImageDataset& dataset, const LoaderOptions& options)
    : dataset_(dataset), options_(options) {
  if (options.batch_size < 1)
    argument_error("DataLoader", "batch_size", std::to_string(options.batch_size), "at least 1",
                   "");
  if (!(options.deviation > 0))
    argument_error("DataLoader", "deviation", std::to_string(options.deviation), "more than 0", "");
  validate(options.augmentation);
}

DataLoader::~DataLoader() { stop(); }

int64_t DataLoader::batches() const noexcept {
  const int64_t whole = dataset_.size() / options_.batch_size;
  return whole + (!options_.drop_last && dataset_.size() % options_.batch_size ? 1 : 0);
}

std::vector<int64_t> DataLoader::order(int64_t epoch) const {
  if (options_.shuffle) {
    Generator generator(derive_seed(options_.seed, shuffling), static_cast<uint64_t>(epoch));
    return permutation(dataset_.size(), generator);
  }
  std::vector<int64_t> order(static_cast<size_t>(dataset_.size()));
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

Batch DataLoader::make(const std::vector<int64_t>& order, int64_t epoch, int64_t index) const {
  const int64_t begin = index * options_.batch_size;
  const int64_t end = std::min(dataset_.size(), begin + options_.batch_size);
  const Shape& all = dataset_.images.shape();
  const ImageShape shape{all[1], all[2], all[3]};
  const Device device = options_.device;
  Batch batch{staging_tensor({end - begin, all[1], all[2], all[3]}, DType::f32, device),
              staging_tensor({end - begin}, DType::s64, device)};
  const uint64_t seed = derive_seed(options_.seed, augmenting);
  for (int64_t i = begin; i < end; ++i) {
    const int64_t sample = order[static_cast<size_t>(i)];
    Generator generator(seed, static_cast<uint64_t>(epoch * dataset_.size() + i));
    augment_image(dataset_.images.data<uint8_t>() + sample * shape.numel(),
                  batch.images.data<float>() + (i - begin) * shape.numel(), shape,
                  options_.augmentation, options_.mean, options_.deviation, generator);
    batch.targets.data<int64_t>()[i - begin] = dataset_.labels.data<int64_t>()[sample];
  }
  if (options_.augmentation.mixes_in(epoch)) {
    Generator generator(derive_seed(options_.seed, mixing),
                        static_cast<uint64_t>(epoch * batches() + index));
    batch.targets = one_hot(batch.targets, dataset_.classes(), device);
    mix_batch(batch.images, batch.targets, options_.augmentation, generator);
  }
  return batch;
}

void DataLoader::start(int64_t epoch, int64_t first_batch) {
  stop();
  stopping_ = finished_ = false;
  thread_ = std::thread([this, epoch, first_batch] { fill(epoch, first_batch); });
}

void DataLoader::fill(int64_t epoch, int64_t first_batch) {
  try {
    const std::vector<int64_t> samples = order(epoch);
    for (int64_t index = first_batch; index < batches(); ++index) {
      Batch batch = make(samples, epoch, index);
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || ready_.size() < ahead; });
      if (stopping_) return;
      ready_.push_back(std::move(batch));
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    error_ = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

std::optional<Batch> DataLoader::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return finished_ || !ready_.empty(); });
  if (ready_.empty()) {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    return std::nullopt;
  }
  Batch batch = std::move(ready_.front());
  ready_.pop_front();
  changed_.notify_all();
  return batch;
}

void DataLoader::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  ready_.clear();
  error_ = nullptr;
}

}  // namespace espalier
