#include "cl/learner.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "cl/network_features.h"
#include "cl/purposes.h"
#include "engine/error.h"
#include "engine/ops/binary.h"
#include "engine/ops/cat.h"
#include "engine/ops/view.h"
#include "nn/evaluate.h"
#include "nn/mlp_classifier.h"
#include "nn/optim/adamw.h"
#include "nn/optim/sgd.h"
#include "nn/predictor.h"
#include "nn/train_step.h"
#include "nn/vit.h"

namespace espalier {
namespace {

ImageShape image_shape(const ImageInput& input) {
  return {input.height, input.width, input.channels};
}

// Images of `rows` u8 rows, as the network expects them, each changed as its own stream of the
// step's random numbers says.
void prepare(const Learner& learner, const uint8_t* pixels, int64_t row, float* out) {
  const ImageInput input = learner.network->input();
  Generator generator(derive_seed(learner.seed(augmenting), static_cast<uint64_t>(learner.step)),
                      static_cast<uint64_t>(row));
  augment_image(pixels, out, image_shape(input), learner.config.augmentation, input.mean,
                input.deviation, generator);
}

// Prepared images as they enter.
Tensor entering(const Learner& learner, const Tensor& images) {
  return learner.entry > 0 ? run_frozen(learner, images, 0, learner.entry) : images;
}

// The records of the memory as they enter, as rows `begin` and on of a batch.
Tensor inputs_of(const Learner& learner, const std::vector<int64_t>& slots, int64_t begin) {
  const ReplayMemory& memory = *learner.memory;
  const Shape& item = memory.layout().item;
  const int64_t values = item.numel();
  Shape shape{static_cast<int64_t>(slots.size())};
  for (const int64_t size : item) shape.push_back(size);
  const Tensor rows = Tensor::empty(shape);
  const bool latents = is_latent(memory.layout().coding);
  std::vector<uint8_t> pixels(latents ? 0 : static_cast<size_t>(values));
  float* to = rows.data<float>();
  for (size_t i = 0; i < slots.size(); ++i, to += values) {
    if (latents) {
      memory.read_latent(slots[i], to);
    } else {
      memory.read_pixels(slots[i], pixels.data());
      prepare(learner, pixels.data(), begin + static_cast<int64_t>(i), to);
    }
  }
  return latents ? rows : entering(learner, rows);
}

}  // namespace

std::unique_ptr<StagedModule> make_network(const LearnConfig& config, const Stream& stream) {
  return make_network(config, stream, stream.classes());
}

std::unique_ptr<StagedModule> make_network(const LearnConfig& config, const Stream& stream,
                                           int64_t outputs) {
  Generator generator(derive_seed(config.seed, initialising));
  const Shape& images = stream.tasks.front().train.images.shape();
  if (config.network == "mlp")
    return std::make_unique<MlpClassifier>(
        MlpConfig{.input = {.height = images[1], .width = images[2], .channels = images[3]},
                  .hidden = config.hidden,
                  .classes = outputs},
        generator);
  ViTConfig shape = named_config(config.network);
  shape.classes = outputs;
  const Shape expected = shape.batch_shape(images[0]);
  if (!(expected == images))
    argument_error("make_network", "stream", "images of " + images.str(), expected.str(),
                   "network 'mlp' takes images of any size");
  return std::make_unique<VisionTransformer>(shape, generator);
}

Tensor logits_of(const Learner& learner, const Tensor& images) {
  StagedModule& network = *learner.network;
  const ImageInput input = network.input();
  const EvaluationScope without_dropout(network);
  Predictor predict(capture(network, {input.height, input.width, input.channels}), {},
                    learner.device);
  return logits_of(predict, input, network.classes(), images);
}

void renew_optimizer(Learner& learner, ParameterPolicy policy) {
  const LearnConfig& c = learner.config;
  const NamedTensors parameters = learner.network->named_parameters();
  learner.optimizer.reset();
  learner.network->to(learner.device);
  if (c.optimizer == "sgd")
    learner.optimizer = std::make_unique<Sgd>(
        parameters,
        SgdOptions{.lr = c.learning_rate, .momentum = c.momentum, .weight_decay = c.weight_decay},
        policy);
  else
    learner.optimizer = std::make_unique<AdamW>(
        parameters, AdamWOptions{.lr = c.learning_rate, .weight_decay = c.weight_decay}, policy);
}

void freeze_below(Learner& learner, int64_t stage) {
  renew_optimizer(learner, [&learner, stage](const std::string& name, const Tensor& parameter) {
    ParameterOptions options = decay_matrices(name, parameter);
    options.frozen = learner.network->stage_of(name) < stage;
    return options;
  });
}

double add_gradients(const Learner& learner, StepBatch& batch,
                     const std::vector<double>& weights_of_groups, PartLoss loss,
                     const Tensor& gradients) {
  const int64_t rows = batch.rows();
  const std::vector<RowGroup> groups =
      batch.together ? std::vector<RowGroup>{{0, rows}} : batch.groups;
  const std::vector<double> weights = batch.together ? std::vector{1.0} : weights_of_groups;
  const int64_t chunk = batch.together ? rows : learner.config.chunk_size;
  const Tensor all_logits =
      Tensor::empty({rows, learner.network->classes()}, DType::f32, learner.device);
  const uint64_t seed = derive_seed(learner.seed(dropping), static_cast<uint64_t>(learner.step));
  const auto chunk_loss = [&](int64_t begin, int64_t end) {
    const StagedModule& network = *learner.network;
    const Tensor inputs = slice(batch.inputs, 0, begin, end).to(learner.device);
    const Tensor features = network.run_stages(inputs, learner.entry, network.stages() - 1);
    const Tensor logits = network.classify(features);
    slice(all_logits, 0, begin, end).copy_(logits.detach());
    const double share = static_cast<double>(end - begin) / static_cast<double>(rows);
    Tensor sum;
    for (size_t g = 0; g < groups.size(); ++g) {
      const RowGroup& group = groups[g];
      const int64_t first = std::max(begin, group.begin), last = std::min(end, group.end);
      if (first >= last) continue;
      const Tensor part =
          loss({batch, g, first, last, slice(logits, 0, first - begin, last - begin),
                slice(features, 0, first - begin, last - begin)});
      // Of a batch of new rows alone it is 1, and training is plain training to the bit.
      const double counts = weights[g] * static_cast<double>(last - first) /
                            static_cast<double>(group.rows()) / share;
      const Tensor weighed = mul(part, counts);
      sum = sum.defined() ? add(sum, weighed) : weighed;
    }
    return sum;
  };
  const double total = accumulate_gradients(rows, chunk, seed, gradients, chunk_loss);
  batch.logits = all_logits.to(Device::cpu());
  return total;
}

bool clip_gradients(Learner& learner) {
  const double limit =
      learner.config.clip_norm > 0 ? learner.config.clip_norm : std::numeric_limits<double>::max();
  return std::isfinite(learner.optimizer->clip_grad_norm(limit));
}

StepBatch new_rows(const Learner& learner, const std::vector<int64_t>& samples) {
  const ImageDataset& data = learner.current().train;
  const ImageInput input = learner.network->input();
  const int64_t rows = static_cast<int64_t>(samples.size());
  const Tensor images = Tensor::empty({rows, input.height, input.width, input.channels});
  const Tensor labels = Tensor::empty({rows}, DType::s64);
  const int64_t values = image_shape(input).numel();
  std::vector<int64_t> texts;
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t sample = samples[static_cast<size_t>(i)];
    prepare(learner, data.images.data<uint8_t>() + sample * values, i,
            images.data<float>() + i * values);
    labels.data<int64_t>()[i] = data.labels.data<int64_t>()[sample];
    if (!learner.current().texts.empty()) texts.push_back(learner.current().text(sample));
  }
  return {entering(learner, images),
          labels,
          Tensor(),
          std::vector<int64_t>(samples.size(), learner.task),
          {{0, rows}},
          samples,
          Tensor(),
          {},
          texts};
}

void draw_rows(const Learner& learner, int64_t rows, uint64_t draw, StepBatch& batch) {
  const ReplayMemory& memory = *learner.memory;
  const int64_t count = std::min(rows, memory.size());
  if (count == 0) return;
  Generator generator(derive_seed(learner.seed(drawing), static_cast<uint64_t>(learner.step)),
                      draw);
  add_rows(learner, sample_without_replacement(memory.size(), count, generator), batch);
}

void add_rows(const Learner& learner, const std::vector<int64_t>& slots, StepBatch& batch) {
  if (slots.empty()) return;
  const ReplayMemory& memory = *learner.memory;
  const int64_t count = static_cast<int64_t>(slots.size()), begin = batch.rows();
  const Tensor inputs = inputs_of(learner, slots, begin);
  const Tensor labels = Tensor::empty({count}, DType::s64);
  const int64_t classes = memory.layout().logits;
  const Tensor kept = classes ? Tensor::empty({count, classes}) : Tensor();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t slot = slots[static_cast<size_t>(i)];
    labels.data<int64_t>()[i] = memory.label(slot);
    batch.tasks.push_back(memory.task(slot));
    batch.slots.push_back(slot);
    if (memory.layout().text) batch.texts.push_back(memory.text(slot));
    if (classes) memory.read_logits(slot, kept.data<float>() + i * classes);
  }
  if (classes) {
    const Tensor before = batch.kept.defined() ? batch.kept : Tensor::zeros({begin, classes});
    batch.kept = begin ? cat({before, kept}, 0) : kept;
  }
  batch.inputs = begin ? cat({batch.inputs, inputs}, 0) : inputs;
  batch.labels = begin ? cat({batch.labels, labels}, 0) : labels;
  batch.groups.push_back({begin, begin + count});
}

void keep_new_rows(Learner& learner, const StepBatch& batch) {
  const ImageDataset& data = learner.current().train;
  const int64_t values = image_shape(learner.network->input()).numel();
  const RecordLayout& layout = learner.memory->layout();
  const int64_t classes = layout.logits;
  std::vector<Offer> candidates;
  for (const int64_t sample : batch.samples)
    candidates.push_back({data.labels.data<int64_t>()[sample]});
  learner.selection->judge(learner, batch, candidates);
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Offer& candidate = candidates[i];
    const std::optional<int64_t> slot = learner.selection->slot_for(candidate, *learner.memory);
    if (!slot) continue;
    const int64_t row = static_cast<int64_t>(i);
    const float* logits = classes ? batch.logits.data<float>() + row * classes : nullptr;
    const float* latent =
        is_latent(layout.coding) ? batch.inputs.data<float>() + row * layout.item.numel() : nullptr;
    learner.memory->write(*slot, {.pixels = data.images.data<uint8_t>() + batch.samples[i] * values,
                                  .label = candidate.label,
                                  .task = learner.task,
                                  .logits = logits,
                                  .latent = latent,
                                  .score = candidate.score,
                                  .text = learner.current().text(batch.samples[i])});
  }
}

}  // namespace espalier
