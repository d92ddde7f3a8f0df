// Learning from pairs of an image and a text, and classifying by texts (CLIP: Radford et al., 2021,
// 2103.00020): the image encoder is the configuration's network without its classifier, the text
// encoder a small one (nn/text_encoder.h), and an image is of the class whose texts are nearest
// (nn/image_text.h). Every class has texts from the start, those not learned yet too, so that their
// images can be named before one was seen: zero-shot, which is measured after each task
// (cl/zero_shot.h).
//
// Each training image is dealt one text of its class (nn/data/class_texts.h), with which it goes
// into memory, and memory gives the pair back: the number of the text takes two bytes. The loss is
// the symmetric contrastive one over all pairs of a step, new and replayed, in which an image
// belongs to every text that is said of its class, of other classes too (nn/contrastive.h). Texts
// of classes not learned yet take no part in it, not as negatives either. With nothing in memory
// the pairs of a step are the new ones alone.
#pragma once

#include "cl/methods/er.h"

namespace espalier {

class Multimodal : public ExperienceReplay {
 public:
  explicit Multimodal(const LearnConfig& config) : ExperienceReplay(config), seed_(config.seed) {}
  bool keeps_texts() const override { return true; }
  bool compares_rows() const override { return true; }
  bool names_unseen() const override { return true; }
  std::unique_ptr<StagedModule> network(const LearnConfig& config,
                                        const Stream& stream) const override;
  Stream taught(Stream stream) const override;
  // An argument error where the learner's network is no ImageTextModel.
  void attach(Learner& learner) override;
  Tensor loss(const Learner& learner, const BatchPart& part) const override;
  Tensor scores(const Learner& learner, const Tensor& images) const override;

 private:
  const uint64_t seed_;
};

}  // namespace espalier
