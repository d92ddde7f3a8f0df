#include "cl/methods/multimodal.h"

#include "cl/network_features.h"
#include "cl/purposes.h"
#include "engine/autograd.h"
#include "engine/error.h"
#include "nn/contrastive.h"
#include "nn/image_text.h"

namespace espalier {
namespace {

constexpr int64_t shared_width = 64;  // of the embeddings of images and texts

std::vector<ClassTexts> texts_of(const Stream& stream) {
  return class_texts(stream.tasks.front().train.class_names);
}

// The number of the first text of each class.
std::vector<int64_t> first_texts(const std::vector<int64_t>& counts) {
  std::vector<int64_t> first{0};
  for (const int64_t count : counts) first.push_back(first.back() + count);
  return first;
}

const ImageTextModel& model_of(const Learner& learner) {
  return dynamic_cast<const ImageTextModel&>(*learner.network);
}

}  // namespace

std::unique_ptr<StagedModule> Multimodal::network(const LearnConfig& config,
                                                  const Stream& stream) const {
  Generator generator(derive_seed(config.seed, initialising_texts));
  return std::make_unique<ImageTextModel>(make_network(config, stream, shared_width),
                                          texts_of(stream), TextEncoder::Options{}, generator);
}

Stream Multimodal::taught(Stream stream) const {
  const std::vector<int64_t> counts = text_counts(texts_of(stream)), first = first_texts(counts);
  for (size_t task = 0; task < stream.tasks.size(); ++task) {
    const ImageDataset& train = stream.tasks[task].train;
    Generator generator(derive_seed(seed_, dealing_texts), task);
    std::vector<int64_t>& texts = stream.tasks[task].texts;
    texts.clear();
    for (int64_t i = 0; i < train.size(); ++i) {
      const auto label = static_cast<size_t>(train.labels.data<int64_t>()[i]);
      texts.push_back(first[label] + generator.below(counts[label]));
    }
  }
  return stream;
}

void Multimodal::attach(Learner& learner) {
  if (!dynamic_cast<const ImageTextModel*>(learner.network.get()))
    argument_error("Multimodal", "network", "one that reads no texts", "an ImageTextModel", "");
}

Tensor Multimodal::loss(const Learner& learner, const BatchPart& part) const {
  const ImageTextModel& model = model_of(learner);
  const int64_t* labels = part.batch.labels.data<int64_t>();
  const Tensor embeddings = model.text_embeddings(part.texts());
  const Tensor matches = model.matches({labels + part.begin, labels + part.end}, part.texts());
  return contrastive_loss(part.features, embeddings, matches, model.scale());
}

// Not by a plan, which would read all texts again for every few images.
Tensor Multimodal::scores(const Learner& learner, const Tensor& images) const {
  const Tensor embeddings = features_of(learner, images);
  const NoGradGuard off_the_tape;
  return learner.network->classify(embeddings.to(learner.device)).to(Device::cpu());
}

}  // namespace espalier
