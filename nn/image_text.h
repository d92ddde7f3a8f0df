// A classifier that reads: images and texts in one space, and an image is of the class whose texts
// are nearest (Radford et al., 2021, 2103.00020).
#pragma once

#include "nn/data/class_texts.h"
#include "nn/data/vocabulary.h"
#include "nn/staged_module.h"
#include "nn/text_encoder.h"

namespace espalier {

// Stages are those of the image encoder, whose last makes embeddings [B, E] of unit length, and the
// classifier, whose logits are s u_i . p_c: the cosine of an image's embedding and the prototype of
// each class, times the inverse temperature (ibid., section 3.1.2). Its parameters are the image
// encoder's under "image.", the text encoder's under "text." and "log_scale".
class ImageTextModel : public StagedModule {
 public:
  // `image` is any classifier: its logits are taken as embeddings, so that its "classes" are E.
  // Every text is known to the model from the start, of classes to come too. Argument errors: no
  // class, a class without a text, a text without a word.
  ImageTextModel(std::unique_ptr<StagedModule> image, const std::vector<ClassTexts>& classes,
                 const TextEncoder::Options& options, Generator& generator);

  ImageInput input() const override { return image_.input(); }
  int64_t classes() const override { return class_averages_.size(0); }
  int64_t stages() const override { return image_.stages() + 1; }
  int64_t stage_of(const std::string& parameter) const override;
  Tensor run_stages(const Tensor& x, int64_t begin, int64_t end) const override;

  int64_t width() const { return image_.classes(); }  // E
  int64_t texts() const { return class_averages_.size(1); }
  // Embeddings [N, E], of unit length, of texts by their numbers: those of class 0 in the order of
  // ClassTexts::all(), then those of class 1, and so on. An argument error for another number.
  Tensor text_embeddings(const std::vector<int64_t>& numbers) const;
  // [N, N]: 1 where text j, by its number, is among what is said of class i, 0 elsewhere. Classes
  // share texts, such as attributes.
  Tensor matches(const std::vector<int64_t>& classes, const std::vector<int64_t>& numbers) const;
  // The mean of the embeddings of each class's texts, of unit length again: [classes, E].
  Tensor prototypes() const;
  // The inverse temperature, exp(log_scale), at most 100 (section 2.5, ibid.): [1].
  Tensor scale() const;

 private:
  ImageTextModel(std::unique_ptr<StagedModule> image, const std::vector<std::string>& texts,
                 const std::vector<int64_t>& counts, const Vocabulary& vocabulary,
                 const TextEncoder::Options& options, Generator& generator);

  const StagedModule& image_;
  // On the CPU, and sent from there.
  const Tensor word_shares_;     // [texts, words]
  const Tensor class_averages_;  // [classes, texts]: 1 / count for the texts of a class
  const Tensor said_of_;         // [classes, texts]: 1 where the same text is said of the class
  const TextEncoder& text_;
  const Tensor log_scale_;
};

// How many texts each class has.
std::vector<int64_t> text_counts(const std::vector<ClassTexts>& classes);

}  // namespace espalier
