#include "nn/data/dataset.h"

#include <cstring>
#include <filesystem>

#include "engine/error.h"
#include "engine/ops/view.h"
#include "engine/random.h"
#include "nn/data/idx.h"

namespace espalier {
namespace {

// The plain file if it is there, else the gzipped one.
std::string idx_path(const std::string& folder, const std::string& name) {
  const std::string plain = folder + "/" + name, gzipped = plain + ".gz";
  if (std::filesystem::exists(plain)) return plain;
  if (std::filesystem::exists(gzipped)) return gzipped;
  file_error(folder, "holds neither " + name + " nor " + name +
                         ".gz; install the package dataset-fashion-mnist or pass --data DIR");
}

}  // namespace

ImageDataset ImageDataset::subset(const std::vector<int64_t>& indices) const {
  const int64_t count = static_cast<int64_t>(indices.size());
  const size_t bytes = static_cast<size_t>(images.numel() / std::max<int64_t>(size(), 1));
  Shape shape = images.shape();
  shape[0] = count;
  ImageDataset out{Tensor::empty(shape, DType::u8), Tensor::empty({count}, DType::s64),
                   class_names};
  for (size_t i = 0; i < indices.size(); ++i) {
    const size_t from = static_cast<size_t>(indices[i]);
    std::memcpy(out.images.bytes() + i * bytes, images.bytes() + from * bytes, bytes);
    out.labels.data<int64_t>()[i] = labels.data<int64_t>()[from];
  }
  return out;
}

std::string default_data_folder() { return "/usr/share/datasets/fashion-mnist"; }

std::vector<std::string> fashion_mnist_classes() {
  return {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
          "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
}

ImageDataset load_fashion_mnist(const std::string& folder, Split split) {
  const std::string prefix = split == Split::train ? "train" : "t10k";
  const std::string image_path = idx_path(folder, prefix + "-images-idx3-ubyte");
  const std::string label_path = idx_path(folder, prefix + "-labels-idx1-ubyte");
  const Tensor images = load_idx(image_path), labels = load_idx(label_path);
  if (images.rank() != 3)
    file_error(image_path, "has shape " + images.shape().str() + "; expected [N, H, W]");
  if (labels.rank() != 1 || labels.size(0) != images.size(0))
    file_error(label_path, "has shape " + labels.shape().str() +
                               "; expected one label for each of " +
                               std::to_string(images.size(0)) + " images");
  ImageDataset dataset{unsqueeze(images, 3), Tensor::empty({labels.size(0)}, DType::s64),
                       fashion_mnist_classes()};
  for (int64_t i = 0; i < labels.size(0); ++i) {
    const int64_t label = labels.data<uint8_t>()[i];
    if (label >= dataset.classes())
      file_error(label_path, "label " + std::to_string(label) + " at " + std::to_string(i) +
                                 "; expected 0 to " + std::to_string(dataset.classes() - 1));
    dataset.labels.data<int64_t>()[i] = label;
  }
  return dataset;
}

std::pair<ImageDataset, ImageDataset> hold_out(const ImageDataset& dataset, int64_t count,
                                               uint64_t seed) {
  if (count < 0 || count >= dataset.size())
    argument_error("hold_out", "count", std::to_string(count),
                   "0 to " + std::to_string(dataset.size() - 1), "");
  Generator generator(seed);
  const std::vector<int64_t> order = permutation(dataset.size(), generator);
  const auto split = order.end() - static_cast<std::ptrdiff_t>(count);
  return {dataset.subset({order.begin(), split}), dataset.subset({split, order.end()})};
}

std::pair<ImageDataset, ImageDataset> training_split(const ImageDataset& images,
                                                     int64_t validation) {
  if (validation >= images.size())
    argument_error("training", "validation", std::to_string(validation),
                   "fewer than the " + std::to_string(images.size()) + " training images",
                   "hold out fewer");
  return hold_out(images, validation, 0);
}

}  // namespace espalier
