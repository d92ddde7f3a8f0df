#include "nn/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/autograd.h"
#include "engine/error.h"
#include "engine/ops/view.h"
#include "engine/parallel.h"
#include "nn/data/augment.h"

namespace espalier {
namespace {

constexpr int64_t chunk_size = 32;  // samples whose activations stay in cache

// Adds one row of logits: its loss, its prediction.
void count_row(const float* logits, int64_t classes, int64_t label, Evaluation& part) {
  const int64_t predicted = std::max_element(logits, logits + classes) - logits;
  double sum = 0;
  for (int64_t c = 0; c < classes; ++c)
    sum += std::exp(static_cast<double>(logits[c] - logits[predicted]));
  part.loss += std::log(sum) - (logits[label] - logits[predicted]);
  part.correct += predicted == label;
  part.confusion[static_cast<size_t>(label * classes + predicted)] += 1;
}

void check_fits(const ViTConfig& config, const ImageDataset& dataset) {
  const Shape expected = config.batch_shape(dataset.size());
  if (!(dataset.images.shape() == expected) || dataset.classes() > config.classes)
    argument_error(
        "evaluate", "dataset",
        dataset.images.describe() + " with " + std::to_string(dataset.classes()) + " classes",
        "u8 " + expected.str() + " with at most " + std::to_string(config.classes) + " classes",
        "the model was built for other images");
}

}  // namespace

Tensor normalized(const Tensor& images, const ViTConfig& config) {
  const Shape expected = config.batch_shape(images.size(0));
  if (images.dtype() != DType::u8 || !(images.shape() == expected))
    argument_error("normalized", "images", images.describe(), "u8 " + expected.str(),
                   "load_image() makes one of that size");
  const ImageShape shape{config.image_size, config.image_size, config.channels};
  const Tensor in = contiguous(images), out = Tensor::empty(images.shape());
  Generator unused;
  for (int64_t i = 0; i < images.size(0); ++i)
    augment_image(in.data<uint8_t>() + i * shape.numel(), out.data<float>() + i * shape.numel(),
                  shape, Augmentation{}, config.mean, config.deviation, unused);
  return out;
}

Evaluation evaluate(const VisionTransformer& model, const ImageDataset& dataset) {
  check_fits(model.config, dataset);
  const auto start = std::chrono::steady_clock::now();
  const int64_t classes = model.config.classes, samples = dataset.size();
  const int64_t chunks = (samples + chunk_size - 1) / chunk_size;
  const std::vector<int64_t> empty(static_cast<size_t>(classes * classes));
  std::vector<Evaluation> parts(static_cast<size_t>(chunks), {.confusion = empty});
  parallel_for(samples, chunk_size, [&](int64_t begin, int64_t end) {
    const NoGradGuard off;
    const Tensor logits = model(normalized(slice(dataset.images, 0, begin, end), model.config));
    for (int64_t i = begin; i < end; ++i)
      count_row(logits.data<float>() + (i - begin) * classes, classes,
                dataset.labels.data<int64_t>()[i], parts[static_cast<size_t>(begin / chunk_size)]);
  });
  Evaluation total{.samples = samples, .confusion = empty};
  for (const Evaluation& part : parts) {
    total.loss += part.loss / static_cast<double>(std::max<int64_t>(samples, 1));
    total.correct += part.correct;
    for (size_t i = 0; i < empty.size(); ++i) total.confusion[i] += part.confusion[i];
  }
  total.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return total;
}

}  // namespace espalier
