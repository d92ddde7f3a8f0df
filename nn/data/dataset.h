// Labelled images in memory.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/tensor.h"

namespace espalier {

struct ImageDataset {
  Tensor images;  // u8 [N, H, W, C]
  Tensor labels;  // s64 [N], each in [0, class_names.size())
  std::vector<std::string> class_names;

  int64_t size() const { return images.defined() ? images.size(0) : 0; }
  int64_t classes() const { return static_cast<int64_t>(class_names.size()); }
  // The samples at `indices`, copied, in that order.
  ImageDataset subset(const std::vector<int64_t>& indices) const;
};

enum class Split { train, test };

// Where the Debian package dataset-fashion-mnist puts its files.
std::string default_data_folder();

// The ten classes of Fashion-MNIST, by label.
std::vector<std::string> fashion_mnist_classes();

// Fashion-MNIST (Xiao et al., 1708.07747), or any data set in MNIST's four files, from `folder`:
// 60,000 images 28x28x1 to train, 10,000 to test. Throws a file error that names what is absent.
ImageDataset load_fashion_mnist(const std::string& folder, Split split);

// {the rest, `count` samples chosen at random by `seed`}: the split for choosing settings.
std::pair<ImageDataset, ImageDataset> hold_out(const ImageDataset& dataset, int64_t count,
                                               uint64_t seed);

// {the images that trainings see, the `validation` ones that choose among what they make}: the same
// ones for every training, whatever its seed, so that runs can be compared. An argument error where
// none is left to see.
std::pair<ImageDataset, ImageDataset> training_split(const ImageDataset& images,
                                                     int64_t validation);

}  // namespace espalier
