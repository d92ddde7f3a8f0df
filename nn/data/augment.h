// Augmentation: random changes to training images that keep their meaning.
#pragma once

#include "engine/random.h"

namespace espalier {

struct Augmentation {
  double flip = 0;    // probability of mirroring left and right
  int64_t shift = 0;  // shifted crop: up to this many pixels each way, zeros moved in
  double erase = 0;   // probability of random erasing (Zhong et al., 1708.04896), with noise
  int64_t erase_min = 4, erase_max = 11;  // side of the erased box, in pixels
  double mixup = 0;                       // alpha of mixup (Zhang et al., 1710.09412); 0 is off
  double cutmix = 0;                      // alpha of CutMix (Yun et al., 1905.04899); 0 is off
  // Images are mixed in the first so many epochs, so that the last ones see them as they are; 0: in
  // all.
  int64_t mix_epochs = 0;

  bool mixes_in(int64_t epoch) const noexcept {  // counted from 0
    return (mixup > 0 || cutmix > 0) && (mix_epochs == 0 || epoch < mix_epochs);
  }
};

// Throws an argument error that names the first field out of range.
void validate(const Augmentation& augmentation);

// Writes one normalised image: out = (pixel / 255 - mean) / deviation, flipped, shifted and erased
// as `generator` draws. pixels and out: [height, width, channels]. Pixels moved in by the shift are
// zeros before normalisation.
struct ImageShape {
  int64_t height, width, channels;
  int64_t numel() const { return height * width * channels; }
};
void augment_image(const uint8_t* pixels, float* out, const ImageShape& shape,
                   const Augmentation& augmentation, double mean, double deviation,
                   Generator& generator);

// Mixes images [B, H, W, C] and target probabilities [B, classes] with their mirror in the batch
// (sample i with sample B - 1 - i), by mixup or CutMix as `generator` draws.
void mix_batch(const Tensor& images, const Tensor& targets, const Augmentation& augmentation,
               Generator& generator);

}  // namespace espalier
