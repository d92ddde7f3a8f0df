#include "nn/data/augment.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/error.h"

namespace espalier {
namespace {

void require(bool holds, const char* field, double got, const char* expected) {
  if (!holds) argument_error("augmentation", field, std::to_string(got), expected, "");
}

void erase_box(float* image, const ImageShape& shape, const Augmentation& augmentation,
               Generator& generator) {
  const int64_t range = augmentation.erase_max - augmentation.erase_min + 1;
  const int64_t height = std::min(shape.height, augmentation.erase_min + generator.below(range));
  const int64_t width = std::min(shape.width, augmentation.erase_min + generator.below(range));
  const int64_t top = generator.below(shape.height - height + 1);
  const int64_t left = generator.below(shape.width - width + 1);
  const int64_t run = width * shape.channels;
  const Tensor noise = normal({height, run}, generator);
  for (int64_t y = 0; y < height; ++y)
    std::copy_n(noise.data<float>() + y * run, run,
                image + ((top + y) * shape.width + left) * shape.channels);
}

// a and b both become what they were, mixed: a = w a + (1 - w) b and the reverse.
void blend(float* a, float* b, int64_t count, float weight) {
  for (int64_t i = 0; i < count; ++i) {
    const float x = a[i], y = b[i];
    a[i] = weight * x + (1 - weight) * y;
    b[i] = weight * y + (1 - weight) * x;
  }
}

struct Box {
  int64_t top, left, height, width;
};

// A box of about `area` of the image, centred anywhere and cut at the border (1905.04899, eq. 2).
Box cut_box(const Tensor& images, double area, Generator& generator) {
  const int64_t H = images.size(1), W = images.size(2);
  const auto side = [&](int64_t size) {
    const int64_t half = static_cast<int64_t>(static_cast<double>(size) * std::sqrt(area)) / 2;
    const int64_t centre = generator.below(size);
    const int64_t first = std::max<int64_t>(0, centre - half);
    return std::pair{first, std::min(size, centre + half) - first};
  };
  const auto [top, height] = side(H);
  const auto [left, width] = side(W);
  return {top, left, height, width};
}

}  // namespace

void validate(const Augmentation& a) {
  require(a.flip >= 0 && a.flip <= 1, "flip", a.flip, "a probability from 0 to 1");
  require(a.shift >= 0 && a.shift <= 1024, "shift", static_cast<double>(a.shift),
          "0 to 1024 pixels");
  require(a.erase >= 0 && a.erase <= 1, "erase", a.erase, "a probability from 0 to 1");
  require(a.erase_min >= 1 && a.erase_min <= a.erase_max, "erase_min",
          static_cast<double>(a.erase_min), "1 to erase_max");
  require(a.mixup >= 0 && a.mixup <= 100, "mixup", a.mixup, "0 to 100");
  require(a.cutmix >= 0 && a.cutmix <= 100, "cutmix", a.cutmix, "0 to 100");
  require(a.mix_epochs >= 0, "mix_epochs", static_cast<double>(a.mix_epochs), "0 (all) or more");
}

void augment_image(const uint8_t* pixels, float* out, const ImageShape& shape,
                   const Augmentation& augmentation, double mean, double deviation,
                   Generator& generator) {
  const bool mirrored = augmentation.flip > 0 && generator.uniform() < augmentation.flip;
  const auto draw_shift = [&] {
    return augmentation.shift ? generator.below(2 * augmentation.shift + 1) - augmentation.shift
                              : 0;
  };
  const int64_t down = draw_shift(), right = draw_shift();
  const float scale = static_cast<float>(1 / (255 * deviation));
  const float offset = static_cast<float>(-mean / deviation);
  for (int64_t y = 0; y < shape.height; ++y)
    for (int64_t x = 0; x < shape.width; ++x) {
      const int64_t from_y = y - down, shifted = x - right;
      const int64_t from_x = mirrored ? shape.width - 1 - shifted : shifted;
      const bool inside =
          from_y >= 0 && from_y < shape.height && from_x >= 0 && from_x < shape.width;
      const uint8_t* from = pixels + (from_y * shape.width + from_x) * shape.channels;
      for (int64_t c = 0; c < shape.channels; ++c)
        *out++ = (inside ? static_cast<float>(from[c]) : 0.0f) * scale + offset;
    }
  if (augmentation.erase > 0 && generator.uniform() < augmentation.erase)
    erase_box(out - shape.numel(), shape, augmentation, generator);
}

void mix_batch(const Tensor& images, const Tensor& targets, const Augmentation& augmentation,
               Generator& generator) {
  const bool both = augmentation.mixup > 0 && augmentation.cutmix > 0;
  const bool cut = both ? generator.uniform() < 0.5 : augmentation.cutmix > 0;
  double weight = generator.beta(cut ? augmentation.cutmix : augmentation.mixup);
  const int64_t B = images.size(0), H = images.size(1), W = images.size(2), C = images.size(3);
  const Box box = cut ? cut_box(images, 1 - weight, generator) : Box{0, 0, H, W};
  if (cut) weight = 1 - static_cast<double>(box.height * box.width) / static_cast<double>(H * W);
  const int64_t classes = targets.size(1);
  for (int64_t a = 0, b = B - 1; a < b; ++a, --b) {
    for (int64_t y = box.top; y < box.top + box.height; ++y) {
      float* rows = images.data<float>() + (y * W + box.left) * C;
      blend(rows + a * H * W * C, rows + b * H * W * C, box.width * C,
            cut ? 0.0f : static_cast<float>(weight));
    }
    float* probabilities = targets.data<float>();
    blend(probabilities + a * classes, probabilities + b * classes, classes,
          static_cast<float>(weight));
  }
}

}  // namespace espalier
