#include "nn/image_text.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "engine/error.h"
#include "engine/ops/binary.h"
#include "engine/ops/embedding.h"
#include "engine/ops/matmul.h"
#include "engine/ops/unary.h"
#include "engine/ops/view.h"
#include "nn/contrastive.h"

namespace espalier {
namespace {

constexpr double first_scale = 1 / 0.07, largest_scale = 100;  // 2103.00020, section 2.5

std::vector<std::string> texts_of(const std::vector<ClassTexts>& classes) {
  if (classes.empty())
    argument_error("ImageTextModel", "classes", "none", "at least one class with its texts", "");
  std::vector<std::string> texts;
  for (const ClassTexts& each : classes)
    for (const std::string& text : each.all()) {
      if (words_of(text).empty())
        argument_error("ImageTextModel", "classes",
                       "'" + text + "' for class " + std::to_string(&each - classes.data()) +
                           " ('" + each.name + "')",
                       "texts with a word", "every class needs a text to be told from others");
      texts.push_back(text);
    }
  return texts;
}

Tensor averages(const std::vector<int64_t>& counts, int64_t texts) {
  const Tensor rows = Tensor::zeros({static_cast<int64_t>(counts.size()), texts});
  int64_t text = 0;
  for (size_t c = 0; c < counts.size(); ++c)
    for (int64_t i = 0; i < counts[c]; ++i)
      rows.data<float>()[static_cast<int64_t>(c) * texts + text++] =
          1 / static_cast<float>(counts[c]);
  return rows;
}

// Which texts stand, in the same words, among those of each class.
Tensor said_of(const std::vector<std::string>& texts, const Tensor& averages) {
  const Tensor said = Tensor::zeros(averages.shape());
  const int64_t count = averages.size(1);
  for (int64_t c = 0; c < averages.size(0); ++c) {
    const float* own = averages.data<float>() + c * count;
    for (int64_t i = 0; i < count; ++i)
      for (int64_t j = 0; own[i] > 0 && j < count; ++j)
        if (texts[static_cast<size_t>(i)] == texts[static_cast<size_t>(j)])
          said.data<float>()[c * count + j] = 1;
  }
  return said;
}

}  // namespace

std::vector<int64_t> text_counts(const std::vector<ClassTexts>& classes) {
  std::vector<int64_t> counts;
  for (const ClassTexts& each : classes) counts.push_back(static_cast<int64_t>(each.all().size()));
  return counts;
}

ImageTextModel::ImageTextModel(std::unique_ptr<StagedModule> image,
                               const std::vector<ClassTexts>& classes,
                               const TextEncoder::Options& options, Generator& generator)
    : ImageTextModel(std::move(image), texts_of(classes), text_counts(classes),
                     Vocabulary(texts_of(classes)), options, generator) {}

ImageTextModel::ImageTextModel(std::unique_ptr<StagedModule> image,
                               const std::vector<std::string>& texts,
                               const std::vector<int64_t>& counts, const Vocabulary& vocabulary,
                               const TextEncoder::Options& options, Generator& generator)
    : image_(register_module("image", std::move(image))),
      word_shares_(vocabulary.word_shares(texts)),
      class_averages_(averages(counts, word_shares_.size(0))),
      said_of_(said_of(texts, class_averages_)),
      text_(register_module("text", std::make_unique<TextEncoder>(
                                        vocabulary.size(), image_.classes(), options, generator))),
      log_scale_(register_parameter("log_scale", Tensor::full({1}, std::log(first_scale)))) {}

int64_t ImageTextModel::stage_of(const std::string& parameter) const {
  constexpr std::string_view of_image = "image.";
  if (parameter.rfind(of_image, 0) == 0) return image_.stage_of(parameter.substr(of_image.size()));
  return stages() - 1;
}

Tensor ImageTextModel::run_stages(const Tensor& x, int64_t begin, int64_t end) const {
  const int64_t of_image = image_.stages();
  Tensor y = x;
  if (begin < of_image) y = image_.run_stages(y, begin, std::min(end, of_image));
  if (begin < of_image && end >= of_image) y = unit_rows(y);
  if (end > of_image) y = mul(matmul(y, transpose(prototypes(), 0, 1)), scale());
  return y;
}

Tensor ImageTextModel::text_embeddings(const std::vector<int64_t>& numbers) const {
  for (const int64_t number : numbers)
    if (number < 0 || number >= texts())
      argument_error("ImageTextModel", "text", std::to_string(number),
                     "0 to " + std::to_string(texts() - 1), "");
  const Tensor rows = Tensor::of(numbers, {static_cast<int64_t>(numbers.size())});
  return text_(embedding(rows, word_shares_).to(log_scale_.device()));
}

Tensor ImageTextModel::matches(const std::vector<int64_t>& classes,
                               const std::vector<int64_t>& numbers) const {
  const Tensor out =
      Tensor::zeros({static_cast<int64_t>(classes.size()), static_cast<int64_t>(numbers.size())});
  float* to = out.data<float>();
  for (const int64_t c : classes)
    for (const int64_t number : numbers) *to++ = said_of_.data<float>()[c * texts() + number];
  return out.to(log_scale_.device());
}

Tensor ImageTextModel::prototypes() const {
  const Device there = log_scale_.device();
  return unit_rows(matmul(class_averages_.to(there), text_(word_shares_.to(there))));
}

Tensor ImageTextModel::scale() const { return minimum(exp(log_scale_), largest_scale); }

}  // namespace espalier
