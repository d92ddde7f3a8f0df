#include "nn/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/error.h"
#include "engine/op.h"
#include "engine/ops/view.h"
#include "nn/data/augment.h"

namespace espalier {
namespace {

constexpr int64_t images_at_once = 512;

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

double Evaluation::half_interval() const {
  const double share = accuracy();
  return samples ? 1.96 * std::sqrt(share * (1 - share) / static_cast<double>(samples)) : 0;
}

Tensor normalized(const Tensor& images, const ImageInput& input) {
  const Shape expected{images.size(0), input.height, input.width, input.channels};
  if (images.dtype() != DType::u8 || !(images.shape() == expected))
    argument_error("normalized", "images", images.describe(), "u8 " + expected.str(),
                   "load_image() makes one of that size");
  const ImageShape shape{input.height, input.width, input.channels};
  const Tensor in = contiguous(images), out = Tensor::empty(images.shape());
  Generator unused;
  for (int64_t i = 0; i < images.size(0); ++i)
    augment_image(in.data<uint8_t>() + i * shape.numel(), out.data<float>() + i * shape.numel(),
                  shape, Augmentation{}, input.mean, input.deviation, unused);
  return out;
}

Tensor normalized(const Tensor& images, const ViTConfig& config) {
  return normalized(images, config.input());
}

Tensor logits_of(Predictor& predictor, const ImageInput& input, int64_t classes,
                 const Tensor& images) {
  const int64_t samples = images.size(0);
  const Tensor logits = Tensor::empty({samples, classes});
  for (int64_t begin = 0; begin < samples; begin += images_at_once) {
    const int64_t end = std::min(samples, begin + images_at_once);
    predictor.run(normalized(slice(images, 0, begin, end), input), slice(logits, 0, begin, end));
  }
  return logits;
}

Tensor logits_of(Predictor& predictor, const ViTConfig& config, const ImageDataset& dataset) {
  check_fits(config, dataset);
  return logits_of(predictor, config.input(), config.classes, dataset.images);
}

Tensor logits_of(const Graph& graph, const ViTConfig& config, const ImageDataset& dataset,
                 const PlanOptions& options) {
  Predictor predictor(graph, options, Device::cpu());
  return logits_of(predictor, config, dataset);
}

Evaluation score(const Tensor& logits, const Tensor& labels) {
  check_min_rank("score", "logits", logits, 2);
  const int64_t samples = logits.size(0), classes = logits.size(1);
  check_shape("score", "labels", labels, {samples});
  Evaluation total{.samples = samples,
                   .confusion = std::vector<int64_t>(static_cast<size_t>(classes * classes))};
  for (int64_t i = 0; i < samples; ++i)
    count_row(logits.data<float>() + i * classes, classes, labels.data<int64_t>()[i], total);
  total.loss /= static_cast<double>(std::max<int64_t>(samples, 1));
  return total;
}

Evaluation evaluate(Predictor& predictor, const ViTConfig& config, const ImageDataset& dataset) {
  const auto start = std::chrono::steady_clock::now();
  Evaluation total = score(logits_of(predictor, config, dataset), dataset.labels);
  total.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return total;
}

Evaluation evaluate(const Graph& graph, const ViTConfig& config, const ImageDataset& dataset,
                    const PlanOptions& options) {
  Predictor predictor(graph, options, Device::cpu());
  return evaluate(predictor, config, dataset);
}

Evaluation evaluate(const VisionTransformer& model, const ImageDataset& dataset) {
  Predictor predictor(capture(model), {}, model.device());
  return evaluate(predictor, model.config, dataset);
}

}  // namespace espalier
